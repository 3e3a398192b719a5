"use strict";

/*
 * The map's data in chunks: calls of geoUrcChunk, in the page or in files beside it. A page from
 * file:// may not fetch, but it may add script elements. Texts are base64 over gzip.
 */
const urcGiven = new Map(); // key → text, of what stands in the page
const urcAwaited = new Map(); // key → what to do with the text of a file

function geoUrcChunk(key, text) {
  const take = urcAwaited.get(key);
  if (take) take(text);
  else urcGiven.set(key, text);
}

const urcArrays = { u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array };

async function urcUnpacked(text) {
  const letters = atob(text);
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i += 1) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const chunk = { meta: head.meta };
  for (const [name, [type, start, count]] of Object.entries(head.arrays)) {
    chunk[name] = new urcArrays[type](buffer, 4 + length + start, count);
  }
  return chunk;
}

/* Chunks by key, each made into something once; the last used are kept. */
class UrcChunks {
  constructor(folder, most, onMissing) {
    this.folder = folder;
    this.most = most;
    this.onMissing = onMissing;
    this.kept = new Map(); // key → promise, the last used last
  }

  get(key, make = (chunk) => chunk) {
    const known = this.kept.get(key) ?? this.text(key).then(urcUnpacked).then(make);
    this.kept.delete(key);
    this.kept.set(key, known);
    known.catch((error) => {
      this.kept.delete(key);
      this.onMissing(key, error);
    });
    if (this.kept.size > this.most) this.kept.delete(this.kept.keys().next().value);
    return known;
  }

  text(key) {
    if (urcGiven.has(key)) return Promise.resolve(urcGiven.get(key));
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const over = (answer, value) => {
        urcAwaited.delete(key);
        script.remove();
        answer(value);
      };
      urcAwaited.set(key, (text) => over(resolve, text));
      script.onerror = () => over(reject, new Error(key));
      script.src = `${this.folder}/${key}.js`;
      document.head.append(script);
    });
  }
}
