"use strict";

/* What is drawn: single subjects when near, cells with counts when far, and context. */

/* Counts of subjects in cells, added up for a zoom, a rule and a district. */
class UrcCells {
  constructor(subject, chunks, words) {
    Object.assign(this, subject.set.cells);
    this.key = subject.set.key;
    this.chunks = chunks;
    this.words = words;
    this.summed = new Map();
  }

  async at(zoom, rule, district) {
    const key = `${zoom}/${rule}/${district}`;
    if (!this.summed.has(key)) {
      const where = await this.chunks.get(`${this.key}/cells/where`);
      const { counts } = await this.chunks.get(`${this.key}/cells/${rule}`);
      if (this.summed.size > 12) this.summed.clear();
      this.summed.set(key, this.sum(where, counts, this.level - zoom - 3, district));
    }
    return this.summed.get(key);
  }

  /* Cell → counts, for cells so many levels above those that are stored; and the most in one. */
  sum(where, counts, up, district) {
    const cells = new Map();
    const half = 2 ** up;
    for (let k = 0; k < where.x.length; k += 1) {
      if (district !== null && where.district[k] !== district) continue;
      const x = Math.floor((where.x[k] + this.corner[0]) / half);
      const y = Math.floor((where.y[k] + this.corner[1]) / half);
      const name = UrcCells.name(x, y);
      let sums = cells.get(name);
      if (!sums) cells.set(name, (sums = new Array(this.words).fill(0)));
      for (let v = 0; v < this.words; v += 1) sums[v] += counts[k * this.words + v];
    }
    let most = 1;
    for (const sums of cells.values()) most = Math.max(most, urcSum(sums));
    return { cells, most };
  }

  static name(x, y) {
    return x * 2 ** 22 + y;
  }
}

function urcSum(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0);
}

class UrcPicture {
  constructor(app) {
    this.app = app;
    const { map } = app;
    for (const [name, zIndex] of [["below", 350], ["subjects", 400], ["above", 450], ["labels", 460]]) {
      map.createPane(name).style.zIndex = zIndex;
      map.getPane(name).style.pointerEvents = "none";
    }
    this.below = new UrcCanvases((tile) => this.context(tile, true), { pane: "below" });
    this.subjects = new UrcCanvases((tile) => this.subject(tile), { pane: "subjects" });
    this.above = new UrcCanvases((tile) => this.context(tile, false), { pane: "above" });
    this.labels = L.layerGroup().addTo(map);
    map.on("moveend", () => this.label());
  }

  /* Draw for the first time: the subjects, and when they are on the screen the context. */
  start() {
    const { map } = this.app;
    this.subjects.once("load", () =>
      requestAnimationFrame(() =>
        setTimeout(() => {
          this.below.addTo(map);
          this.above.addTo(map);
        })
      )
    );
    this.subjects.addTo(map);
    this.label();
  }

  repaint() {
    return this.subjects.repaint();
  }

  repaintContext() {
    this.label();
    return Promise.all([this.below.repaint(), this.above.repaint()]);
  }

  shownCounts(counts) {
    return counts.map((count, verdict) => (this.app.state.shown.has(verdict) ? count : 0));
  }

  isFar(zoom = this.app.map.getZoom()) {
    return zoom < this.app.state.subject.tiles.from;
  }

  async subject(tile) {
    return this.isFar(tile.zoom) ? this.cells(tile) : this.singles(tile);
  }

  // ---- single subjects --------------------------------------------------------------------

  passes(shapes, i) {
    const { state } = this.app;
    return (
      state.shown.has(shapes.chunk[`v${state.rule.place}`][i]) &&
      (state.district === null || shapes.chunk.district[i] === state.district)
    );
  }

  async singles({ world, scale, left, top, zoom }) {
    const { tiles, rules } = this.app.state.subject;
    const all = await Promise.all(tiles.within(world).map((tile) => tiles.shapes(tile)));
    const { state, looks } = this.app;
    return (context) => {
      if (!rules.includes(state.rule)) return; // another subject has been chosen meanwhile
      const paths = looks.verdicts.map(urcNewPaths);
      for (const shapes of all) {
        const verdicts = shapes.chunk[`v${state.rule.place}`];
        for (let i = 0; i < shapes.count; i += 1) {
          if (!shapes.meets(i, world) || !this.passes(shapes, i)) continue;
          shapes.trace(i, paths[verdicts[i]], scale, left, top, zoom < 14 ? 4 : 6);
        }
      }
      paths.forEach(({ tiny, small, large, lines, dots }, verdict) => {
        const { colour } = looks.verdicts[verdict];
        looks.fill(context, verdict, tiny, false);
        looks.fill(context, verdict, small, false);
        looks.fill(context, verdict, large);
        context.lineJoin = "round";
        context.strokeStyle = "#333";
        context.lineWidth = 6;
        context.stroke(lines);
        context.strokeStyle = colour;
        context.lineWidth = 4;
        context.stroke(lines);
        looks.fill(context, verdict, dots);
        context.strokeStyle = "rgba(45, 45, 45, 0.75)";
        context.lineWidth = 0.4;
        context.stroke(small);
        context.lineWidth = zoom < 16 ? 0.7 : 1.1;
        context.stroke(large);
        context.lineWidth = 1.2;
        context.stroke(dots);
      });
    };
  }

  /* The subject at a place: {tile, i, shapes}, or null. The smallest of several. */
  async find(latlng) {
    const { map, state } = this.app;
    const { tiles } = state.subject;
    const [x, y] = [urcWorldX(latlng.lng), urcWorldY(latlng.lat)];
    const reach = 7 / (256 * 2 ** map.getZoom());
    const found = [];
    for (const tile of tiles.within([x - reach, y - reach, x + reach, y + reach])) {
      const shapes = await tiles.shapes(tile);
      for (let i = 0; i < shapes.count; i += 1) {
        if (shapes.holds(i, x, y, reach) && this.passes(shapes, i)) found.push({ tile, i, shapes });
      }
    }
    const size = ({ shapes, i }) => {
      const [west, north, east, south] = shapes.boxes.subarray(4 * i, 4 * i + 4);
      return (east - west) * (south - north);
    };
    return found.sort((a, b) => size(a) - size(b))[0] ?? null;
  }

  // ---- cells --------------------------------------------------------------------------------

  async cells({ left, top, size, zoom }) {
    const { subject, rule, district } = this.app.state;
    const { cells, most } = await subject.cells.at(zoom, rule.place, district);
    const side = 32;
    return (context) => {
      const paths = this.app.looks.verdicts.map(() => new Path2D());
      const edges = new Path2D();
      for (let row = 0; row < size / side; row += 1) {
        for (let column = 0; column < size / side; column += 1) {
          const counts = cells.get(UrcCells.name(left / side + column, top / side + row));
          if (!counts) continue;
          const shown = this.shownCounts(counts);
          const total = urcSum(shown);
          if (!total) continue;
          const wide = 10 + 20 * (total / most) ** 0.4;
          let x = (column + 0.5) * side - wide / 2;
          const y = (row + 0.5) * side - wide / 2;
          edges.rect(x, y, wide, wide);
          shown.forEach((count, verdict) => {
            if (!count) return;
            const part = (wide * count) / total;
            paths[verdict].rect(x, y, part, wide);
            x += part;
          });
        }
      }
      paths.forEach((path, verdict) => this.app.looks.fill(context, verdict, path));
      context.strokeStyle = "rgba(40, 40, 40, 0.8)";
      context.lineWidth = 1;
      context.stroke(edges);
    };
  }

  /* The cell at a place: its counts by verdict, or null. */
  async cellAt(latlng) {
    const { map, state } = this.app;
    const zoom = map.getZoom();
    const { cells } = await state.subject.cells.at(zoom, state.rule.place, state.district);
    const level = 2 ** (zoom + 3);
    const place = [urcWorldX(latlng.lng), urcWorldY(latlng.lat)].map((at) => Math.floor(at * level));
    return cells.get(UrcCells.name(...place)) ?? null;
  }

  // ---- context ------------------------------------------------------------------------------

  async context({ world, scale, left, top, zoom }, below) {
    const { state } = this.app;
    const layers = this.app.context.filter(
      ({ role }) => Boolean(urcContextLooks[role].below) === below && !state.hidden.has(role)
    );
    const drawn = [];
    for (const layer of layers) {
      const tiles = zoom < layer.tiles.from ? [] : layer.tiles.within(world);
      drawn.push([layer, await Promise.all(tiles.map((tile) => layer.tiles.shapes(tile)))]);
    }
    return (context) => {
      for (const [layer, all] of drawn) {
        const look = urcContextLooks[layer.role];
        if (state.rule?.radius && layer.role === "rail_stations") {
          this.circles(context, layer.anchors, state.rule.radius, { world, scale, left, top, zoom });
        }
        const paths = urcNewPaths();
        const reach = Math.min(look.reach ?? 4, zoom < 11 ? 1.5 : zoom < 13 ? 3 : 9);
        for (const shapes of all) {
          for (let i = 0; i < shapes.count; i += 1) {
            if (shapes.meets(i, world)) shapes.trace(i, paths, scale, left, top, reach);
          }
        }
        this.drawContext(context, look, paths, zoom);
      }
    };
  }

  drawContext(context, look, paths, zoom) {
    context.lineJoin = "round";
    context.setLineDash(look.dash ?? []);
    context.strokeStyle = look.edge;
    context.lineWidth = look.width ?? 1;
    for (const path of [paths.tiny, paths.small, paths.large, paths.dots]) {
      context.fillStyle = look.fill;
      if (look.fill) context.fill(path);
      const crowded = (path === paths.small && zoom < 14) || (path === paths.dots && zoom < 11);
      if (path !== paths.tiny && !crowded) context.stroke(path);
    }
    context.strokeStyle = look.below ? look.fill : look.edge;
    context.lineWidth = 2;
    context.stroke(paths.lines);
    context.setLineDash([]);
  }

  /* Circles of the rule's radius about stations, on the ellipsoid. */
  circles(context, anchors, radius, { world, scale, left, top, zoom }) {
    const around = new Path2D();
    for (const [lon, lat] of anchors) {
      const { east, north } = urcDegrees(lat);
      const [x, y] = [urcWorldX(lon), urcWorldY(lat)];
      const wide = urcWorldX(lon + radius / east) - x;
      const high = y - urcWorldY(lat + radius / north);
      if (x + wide < world[0] || x - wide > world[2] || y + high < world[1] || y - high > world[3]) continue;
      around.moveTo((x + wide) * scale - left, y * scale - top);
      around.ellipse(x * scale - left, y * scale - top, wide * scale, high * scale, 0, 0, 2 * Math.PI);
    }
    context.fillStyle = "rgba(27, 58, 107, 0.07)";
    context.fill(around);
    if (zoom < 11) return;
    context.strokeStyle = "rgba(27, 58, 107, 0.75)";
    context.lineWidth = 1.2;
    context.setLineDash([5, 4]);
    context.stroke(around);
    context.setLineDash([]);
  }

  /* Names of districts, and of stations when near. */
  label() {
    const { map, state } = this.app;
    this.labels.clearLayers();
    const view = map.getBounds();
    for (const { role, anchors } of this.app.context) {
      if (state.hidden.has(role) || (role === "rail_stations" && map.getZoom() < 14)) continue;
      const near = anchors.filter(([lon, lat, name]) => name && view.contains([lat, lon]));
      for (const [lon, lat, name] of near.slice(0, 200)) {
        const html = document.createElement("span");
        html.textContent = name;
        const icon = L.divIcon({ className: `urc-label urc-label-${role}`, html, iconSize: null });
        L.marker([lat, lon], { icon, pane: "labels", interactive: false, keyboard: false }).addTo(this.labels);
      }
    }
  }
}

/* Metres of a degree of longitude and of latitude, on the ellipsoid. */
function urcDegrees(lat) {
  const [a, e2] = [6378137, 0.00669438002];
  const sine = Math.sin((lat * Math.PI) / 180);
  const w = Math.sqrt(1 - e2 * sine * sine);
  return {
    east: ((a / w) * Math.cos((lat * Math.PI) / 180) * Math.PI) / 180,
    north: ((a * (1 - e2)) / (w * w * w) / 180) * Math.PI,
  };
}
