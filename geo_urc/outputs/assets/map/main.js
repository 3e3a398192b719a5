"use strict";

/* Puts the parts together around folium's map. */
const urcById = (id) => document.getElementById(id);

function geoUrcMap(map) {
  const data = JSON.parse(urcById("urc-data").textContent);
  document.documentElement.lang = data.lang === "zh" ? "zh-CN" : "en";
  if (!data.subjects.length || !window.DecompressionStream) return;
  window.geoUrcApp = new UrcApp(map, data);
}

class UrcApp {
  constructor(map, data) {
    this.map = map;
    this.data = data;
    this.texts = data.texts;
    this.looks = new UrcLooks(data.verdicts);
    this.chunks = new UrcChunks(data.folder, 96, (key) => this.missing(key));
    const tiles = (set) => new UrcTiles(set, this.chunks, data.quantum);
    this.subjects = data.subjects.map((subject) => ({
      ...subject,
      tiles: tiles(subject.set),
      cells: subject.set.cells && new UrcCells(subject, this.chunks, data.verdicts.length),
      rules: subject.rules.map((rule, place) => ({ ...rule, place })),
    }));
    this.context = data.context.map((layer) => ({ ...layer, tiles: tiles(layer.set) }));
    this.state = {
      subject: this.subjects[0],
      rule: this.subjects[0].rules[0],
      shown: new Set(data.verdicts.keys()),
      hidden: new Set(),
      district: null,
      selected: null,
    };
    this.chosen = null; // the subject that the panel shows
    this.selection = L.featureGroup().addTo(map);
    this.basemap = data.basemap ? new UrcBasemap(this) : null;
    this.picture = new UrcPicture(this);
    this.popups = new UrcPopups(this);
    this.search = new UrcSearch(this);
    this.panel = new UrcPanel(this);
    this.measure = new UrcMeasure(this);
    this.link = new UrcLink(this);
    this.print = new UrcPrint(this);
    this.controls();
    this.link.restore();
    this.picture.start();
    map.on("moveend", () => this.remember());
    map.on("zoomend", () => this.panel.shown());
    map.on("click", ({ latlng }) => this.asked(latlng));
  }

  controls() {
    const { map, texts } = this;
    L.control.zoom({ zoomInTitle: texts.zoomIn, zoomOutTitle: texts.zoomOut }).addTo(map);
    L.control.scale({ imperial: false }).addTo(map);
    const box = map.getContainer();
    box.setAttribute("role", "application");
    box.setAttribute("aria-label", `${texts.map}。${texts.keys}`);
    const cross = urcElement("div", null, "urc-cross");
    cross.setAttribute("aria-hidden", "true");
    box.append(cross);
    box.addEventListener("keydown", (event) => {
      if (event.target !== box || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      this.asked(map.getCenter());
    });
    urcById("urc-whole").addEventListener("click", () => this.fit());
  }

  // ---- state ----------------------------------------------------------------------------------

  choose({ subject = this.state.subject, rule, district, fit = false }) {
    const { state } = this;
    const other = subject !== this.chosen;
    this.chosen = subject;
    this.map.closePopup();
    state.subject = subject;
    state.rule = rule ?? (other ? subject.rules[0] : state.rule);
    if (district !== undefined) state.district = district;
    else if (other) state.district = null;
    if (fit) this.fit();
    if (other) this.panel.subjectChosen();
    this.picture.repaintContext();
    this.changed();
  }

  changed() {
    this.panel.shown();
    this.picture.repaint();
    this.remember();
  }

  fit() {
    const bounds = this.state.subject.tiles.bounds();
    if (bounds.isValid()) this.map.fitBounds(bounds, { padding: [20, 20], maxZoom: 18, animate: false });
  }

  remember() {
    this.link.remember();
  }

  missing(key) {
    const broken = urcById("urc-broken");
    broken.textContent = urcFilled(this.texts.chunkMissing, { file: `${this.data.folder}/${key}.js` });
    broken.hidden = false;
  }

  // ---- subjects -------------------------------------------------------------------------------

  async asked(latlng) {
    if (this.measure.points) {
      this.measure.add(latlng);
      return;
    }
    if (this.picture.isFar()) {
      const counts = await this.picture.cellAt(latlng);
      const shown = counts && this.picture.shownCounts(counts);
      if (shown && urcSum(shown)) this.popups.open(latlng, this.popups.cell(shown, latlng));
      else this.panel.say(this.texts.nothingHere);
      return;
    }
    const found = await this.picture.find(latlng);
    if (!found) {
      this.panel.say(this.texts.nothingHere);
      return;
    }
    await this.select(found.tile, found.i, latlng);
  }

  async goTo(place, { move = true } = {}) {
    const { state, data } = this;
    const { tiles } = state.subject;
    const [tile, i] = [Math.floor(place / data.tileRows), place % data.tileRows];
    const shapes = await tiles.shapes(tile);
    const verdict = shapes.chunk[`v${state.rule.place}`][i];
    const filtered = !state.shown.has(verdict) || (state.district !== null && shapes.chunk.district[i] !== state.district);
    if (filtered) {
      state.shown.add(verdict);
      state.district = null;
      this.changed();
    }
    if (!shapes.drawn(i)) {
      await this.select(tile, i, this.map.getCenter());
      return;
    }
    if (move) {
      const bounds = shapes.bounds(i);
      const zoom = Math.max(tiles.from, Math.min(17, this.map.getBoundsZoom(bounds)));
      this.map.setView(bounds.getCenter(), zoom, { animate: false });
    }
    await this.select(tile, i, shapes.anchor(i));
  }

  async select(tile, i, latlng) {
    const { tiles } = this.state.subject;
    const [shapes, facts] = await Promise.all([
      tiles.shapes(tile),
      this.chunks.get(`${tiles.key}/facts/${tile}`, ({ meta }) => meta),
    ]);
    this.popups.open(latlng, this.popups.subject(shapes, facts, i));
    this.state.selected = facts.ids[i];
    this.highlight(shapes, i);
    const verdict = this.looks.verdicts[shapes.chunk[`v${this.state.rule.place}`][i]];
    this.panel.say(`${facts.ids[i]} ${verdict.label}`);
    this.remember();
  }

  highlight(shapes, i) {
    this.selection.clearLayers();
    if (!shapes.drawn(i)) return;
    const areal = shapes.rings[shapes.parts[i]] > 0;
    for (const [color, weight] of [["#ffffff", 7], ["#0a3d91", 4]]) {
      const look = { color, weight, fill: false, interactive: false };
      for (const paths of shapes.latlngs(i)) {
        if (areal) L.polygon(paths, look).addTo(this.selection);
        else if (paths[0].length > 1) L.polyline(paths[0], look).addTo(this.selection);
        else L.circleMarker(paths[0][0], { ...look, radius: 9 }).addTo(this.selection);
      }
    }
  }

  deselect() {
    this.selection.clearLayers();
    this.state.selected = null;
    this.remember();
  }
}
