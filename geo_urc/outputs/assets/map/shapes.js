"use strict";

/*
 * Outlines in tiles: decoded into coordinates of the world map (0 to 1, from the north-west), drawn
 * on canvases, and found under a point.
 */
const urcWorldX = (lon) => (lon + 180) / 360;
const urcWorldY = (lat) => (1 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / Math.PI) / 2;
const urcLon = (x) => x * 360 - 180;
const urcLat = (y) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;

/* Starts of groups from their sizes, with the end of the last. */
function urcStarts(sizes) {
  const starts = new Uint32Array(sizes.length + 1);
  for (let i = 0; i < sizes.length; i += 1) starts[i + 1] = starts[i] + sizes[i];
  return starts;
}

class UrcShapes {
  constructor(chunk, quantum) {
    this.chunk = chunk;
    this.count = chunk.parts.length;
    this.parts = urcStarts(chunk.parts);
    this.rings = chunk.rings;
    this.paths = urcStarts(chunk.rings.map((rings) => rings || 1));
    this.points = urcStarts(chunk.points);
    this.xy = new Float64Array(chunk.moves.length);
    let [x, y] = chunk.origin;
    for (let k = 0; k < chunk.moves.length; k += 2) {
      x += chunk.moves[k];
      y += chunk.moves[k + 1];
      this.xy[k] = urcWorldX(x * quantum);
      this.xy[k + 1] = urcWorldY(y * quantum);
    }
    this.boxes = new Float64Array(4 * this.count);
    for (let i = 0; i < this.count; i += 1) this.boxes.set(this.boxOf(i), 4 * i);
  }

  pointsOf(i) {
    return [
      this.points[this.paths[this.parts[i]]],
      this.points[this.paths[this.parts[i + 1]]],
    ];
  }

  boxOf(i) {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    const [first, end] = this.pointsOf(i);
    for (let p = first; p < end; p += 1) {
      const [x, y] = [this.xy[2 * p], this.xy[2 * p + 1]];
      if (x < box[0]) box[0] = x;
      if (y < box[1]) box[1] = y;
      if (x > box[2]) box[2] = x;
      if (y > box[3]) box[3] = y;
    }
    return box;
  }

  drawn(i) {
    return this.parts[i + 1] > this.parts[i];
  }

  meets(i, [west, north, east, south]) {
    const at = 4 * i;
    return (
      this.boxes[at] <= east && this.boxes[at + 2] >= west &&
      this.boxes[at + 1] <= south && this.boxes[at + 3] >= north
    );
  }

  bounds(i) {
    const [west, north, east, south] = this.boxes.subarray(4 * i, 4 * i + 4);
    return L.latLngBounds([urcLat(south), urcLon(west)], [urcLat(north), urcLon(east)]);
  }

  /* Add one shape to paths: areas, lines, and points as discs. What is tiny becomes a dot. */
  trace(i, paths, scale, left, top, reach) {
    const at = 4 * i;
    const wide = (this.boxes[at + 2] - this.boxes[at]) * scale;
    const high = (this.boxes[at + 3] - this.boxes[at + 1]) * scale;
    if (this.rings[this.parts[i]] && wide < 1.5 && high < 1.5) {
      const x = ((this.boxes[at] + this.boxes[at + 2]) / 2) * scale - left;
      const y = ((this.boxes[at + 1] + this.boxes[at + 3]) / 2) * scale - top;
      paths.tiny.rect(x - 0.75, y - 0.75, 1.5, 1.5);
      return;
    }
    const areas = Math.max(wide, high) > 9 ? paths.large : paths.small;
    for (let part = this.parts[i]; part < this.parts[i + 1]; part += 1) {
      for (let path = this.paths[part]; path < this.paths[part + 1]; path += 1) {
        const [first, end] = [this.points[path], this.points[path + 1]];
        let x = this.xy[2 * first] * scale - left;
        let y = this.xy[2 * first + 1] * scale - top;
        if (end - first === 1) {
          paths.dots.moveTo(x + reach, y);
          paths.dots.arc(x, y, reach, 0, 2 * Math.PI);
          continue;
        }
        const into = this.rings[part] ? areas : paths.lines;
        into.moveTo(x, y);
        for (let p = first + 1; p < end; p += 1) {
          const nextX = this.xy[2 * p] * scale - left;
          const nextY = this.xy[2 * p + 1] * scale - top;
          if (Math.abs(nextX - x) + Math.abs(nextY - y) < 0.6 && p < end - 1) continue;
          into.lineTo(nextX, nextY);
          x = nextX;
          y = nextY;
        }
        if (this.rings[part]) into.closePath();
      }
    }
  }

  /* Whether a shape holds a point, or passes within reach of it; all in world coordinates. */
  holds(i, x, y, reach) {
    if (!this.meets(i, [x - reach, y - reach, x + reach, y + reach])) return false;
    for (let part = this.parts[i]; part < this.parts[i + 1]; part += 1) {
      let inside = false;
      for (let path = this.paths[part]; path < this.paths[part + 1]; path += 1) {
        const [first, end] = [this.points[path], this.points[path + 1]];
        if (end - first === 1) {
          if (Math.hypot(this.xy[2 * first] - x, this.xy[2 * first + 1] - y) <= reach) return true;
          continue;
        }
        for (let p = this.rings[part] ? first : first + 1; p < end; p += 1) {
          const before = p === first ? end - 1 : p - 1;
          const [ax, ay] = [this.xy[2 * before], this.xy[2 * before + 1]];
          const [bx, by] = [this.xy[2 * p], this.xy[2 * p + 1]];
          if (this.rings[part]) {
            if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
          } else if (urcFromSegment(x, y, ax, ay, bx, by) <= reach) return true;
        }
      }
      if (inside) return true;
    }
    return false;
  }

  /* A point on the shape: the middle of its box, or of the widest stretch beside it. */
  anchor(i) {
    const [west, north, east, south] = this.boxes.subarray(4 * i, 4 * i + 4);
    let [x, y] = [(west + east) / 2, (north + south) / 2];
    if (!this.rings[this.parts[i]]) {
      const [first, end] = this.pointsOf(i);
      const middle = (first + end) >> 1;
      [x, y] = [this.xy[2 * middle], this.xy[2 * middle + 1]];
    } else if (!this.holds(i, x, y, 0)) {
      const crossings = this.crossings(i, y);
      let widest = -1;
      for (let k = 0; k + 1 < crossings.length; k += 2) {
        if (crossings[k + 1] - crossings[k] > widest) {
          widest = crossings[k + 1] - crossings[k];
          x = (crossings[k] + crossings[k + 1]) / 2;
        }
      }
    }
    return L.latLng(urcLat(y), urcLon(x));
  }

  crossings(i, y) {
    const found = [];
    for (let path = this.paths[this.parts[i]]; path < this.paths[this.parts[i + 1]]; path += 1) {
      const [first, end] = [this.points[path], this.points[path + 1]];
      for (let p = first; p < end; p += 1) {
        const before = p === first ? end - 1 : p - 1;
        const [ax, ay] = [this.xy[2 * before], this.xy[2 * before + 1]];
        const [bx, by] = [this.xy[2 * p], this.xy[2 * p + 1]];
        if (ay > y !== by > y) found.push(((bx - ax) * (y - ay)) / (by - ay) + ax);
      }
    }
    return found.sort((a, b) => a - b);
  }

  latlngs(i) {
    const parts = [];
    for (let part = this.parts[i]; part < this.parts[i + 1]; part += 1) {
      const paths = [];
      for (let path = this.paths[part]; path < this.paths[part + 1]; path += 1) {
        const points = [];
        for (let p = this.points[path]; p < this.points[path + 1]; p += 1) {
          points.push([urcLat(this.xy[2 * p + 1]), urcLon(this.xy[2 * p])]);
        }
        paths.push(points);
      }
      parts.push(paths);
    }
    return parts;
  }
}

function urcFromSegment(x, y, ax, ay, bx, by) {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const t = length ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}

/* All tiles of one layer. */
class UrcTiles {
  constructor(description, chunks, quantum) {
    Object.assign(this, description);
    this.chunks = chunks;
    this.quantum = quantum;
    this.worldBoxes = this.boxes.map(
      (box) =>
        box && [
          urcWorldX(box[0] * quantum),
          urcWorldY(box[3] * quantum),
          urcWorldX(box[2] * quantum),
          urcWorldY(box[1] * quantum),
        ]
    );
  }

  within([west, north, east, south]) {
    const found = [];
    this.worldBoxes.forEach((box, tile) => {
      if (box && box[0] <= east && box[2] >= west && box[1] <= south && box[3] >= north) {
        found.push(tile);
      }
    });
    return found;
  }

  shapes(tile) {
    return this.chunks.get(`${this.key}/shapes/${tile}`, (chunk) => new UrcShapes(chunk, this.quantum));
  }

  bounds() {
    const all = L.latLngBounds([]);
    for (const box of this.boxes) {
      if (!box) continue;
      const [west, south, east, north] = box.map((steps) => steps * this.quantum);
      all.extend([south, west]).extend([north, east]);
    }
    return all;
  }
}

/* A layer of canvases that a function draws: paint(context, {world, scale, left, top, zoom}). */
const UrcCanvases = L.GridLayer.extend({
  options: { tileSize: 512, keepBuffer: 1, updateWhenZooming: false, updateWhenIdle: false },

  initialize(paint, options) {
    L.setOptions(this, options);
    this.paint = paint;
  },

  createTile(coords, done) {
    const canvas = document.createElement("canvas");
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = this.options.tileSize * ratio;
    canvas.height = canvas.width;
    this.draw(canvas, coords).then(
      () => done(null, canvas),
      (error) => done(error, canvas)
    );
    return canvas;
  },

  async draw(canvas, coords) {
    const size = this.options.tileSize;
    const scale = 256 * 2 ** coords.z;
    const [left, top] = [coords.x * size, coords.y * size];
    const turn = (canvas.turn ?? 0) + 1;
    canvas.turn = turn; // a later call overtakes this one
    const margin = 8;
    const world = [
      (left - margin) / scale, (top - margin) / scale,
      (left + size + margin) / scale, (top + size + margin) / scale,
    ]; // prettier-ignore
    const drawing = await this.paint({ world, scale, left, top, size, zoom: coords.z });
    if (canvas.turn !== turn) return;
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.scale(canvas.width / size, canvas.height / size);
    drawing(context);
  },

  repaint() {
    return Promise.all(Object.values(this._tiles ?? {}).map((tile) => this.draw(tile.el, tile.coords)));
  },
});
