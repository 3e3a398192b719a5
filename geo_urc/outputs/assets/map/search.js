"use strict";

/*
 * Search by id and name. The index is sorted and cut into chunks, so that what begins with some
 * words is found in two or three of them; a small index is looked through as a whole.
 */
const urcKey = (text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/* Whether a comes before b by the numbers of their characters; pairs of code units come last. */
function urcBefore(a, b) {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    let [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    [x, y] = [x, y].map((code) => (code < 0xd800 ? code : code < 0xe000 ? code + 0x2000 : code - 0x800));
    return x < y;
  }
  return a.length < b.length;
}

class UrcSearch {
  constructor(app) {
    this.app = app;
    this.most = 20;
    this.whole = 4; // chunks of an index that is looked through as a whole
  }

  chunk(number) {
    return this.app.chunks.get(`${this.app.state.subject.role}/search/${number}`);
  }

  get firsts() {
    return this.app.state.subject.search;
  }

  get isSmall() {
    return this.firsts.length <= this.whole;
  }

  entry(chunk, k) {
    const [text, other] = [chunk.meta.text[k], urcValue(chunk.meta.other, k)];
    const [id, name] = chunk.named[k] ? [other, text] : [text, other];
    return { id, name, place: chunk.place[k] };
  }

  /* All entries with the words anywhere: {found, count}, the first of them listed. */
  async anywhere(words, isOver = () => false, tell = () => {}) {
    const wanted = urcKey(words);
    const places = new Set();
    const found = [];
    for (let number = 0; number < this.firsts.length; number += 1) {
      if (isOver()) return null;
      const chunk = await this.chunk(number);
      chunk.meta.text.forEach((text, k) => {
        if (!urcKey(text).includes(wanted) || places.has(chunk.place[k])) return;
        places.add(chunk.place[k]);
        if (found.length < this.most) found.push(this.entry(chunk, k));
      });
      tell(number + 1, this.firsts.length);
    }
    if (this.isSmall) found.sort((a, b) => (urcBefore(a.id, b.id) ? -1 : 1));
    return { found, count: places.size };
  }

  /* All entries that begin with the words. */
  async beginning(words) {
    const wanted = urcKey(words);
    const firsts = this.firsts;
    let from = 0;
    while (from + 1 < firsts.length && urcBefore(firsts[from + 1], wanted)) from += 1;
    let end = from + 1; // the chunk after the last that may have some
    while (end < firsts.length && firsts[end].startsWith(wanted)) end += 1;
    const found = [];
    let count = 0;
    for (const number of end - from > 3 ? [from, from + 1, end - 1] : [...Array(end - from).keys()].map((k) => from + k)) {
      const chunk = await this.chunk(number);
      chunk.meta.text.forEach((text, k) => {
        if (!urcKey(text).startsWith(wanted)) return;
        count += 1;
        if (found.length < this.most) found.push(this.entry(chunk, k));
      });
    }
    if (end - from > 3) count += (end - from - 3) * this.app.data.searchRows;
    return { found, count };
  }

  /* The place of the subject with exactly this id, or null. */
  async exactly(id) {
    const { found } = this.isSmall ? await this.everything(id) : await this.beginning(id);
    return found.find((entry) => entry.id === id)?.place ?? null;
  }

  async everything(id) {
    const found = [];
    for (let number = 0; number < this.firsts.length; number += 1) {
      const chunk = await this.chunk(number);
      const k = chunk.meta.text.findIndex((text, at) => text === id && !chunk.named[at]);
      if (k >= 0) found.push(this.entry(chunk, k));
    }
    return { found };
  }
}
