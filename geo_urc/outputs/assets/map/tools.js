"use strict";

/* Measuring, printing, and a link that brings the view back. */

/* Length of a way in metres, from point to point on the ellipsoid. */
function urcLength(points) {
  let length = 0;
  for (let k = 1; k < points.length; k += 1) {
    const { east, north } = urcDegrees((points[k].lat + points[k - 1].lat) / 2);
    length += Math.hypot(
      (points[k].lng - points[k - 1].lng) * east,
      (points[k].lat - points[k - 1].lat) * north
    );
  }
  return length;
}

/* Area within a way in square metres; small against the earth. */
function urcArea(points) {
  const { east, north } = urcDegrees(urcSum(points.map(({ lat }) => lat)) / points.length);
  let twice = 0;
  points.forEach((point, k) => {
    const next = points[(k + 1) % points.length];
    twice += (point.lng - points[0].lng) * (next.lat - points[0].lat);
    twice -= (next.lng - points[0].lng) * (point.lat - points[0].lat);
  });
  return (Math.abs(twice) / 2) * east * north;
}

class UrcMeasure {
  constructor(app) {
    this.app = app;
    this.points = null;
    this.drawn = L.featureGroup();
    this.button = urcById("urc-measure");
    this.button.addEventListener("click", () => this.toggle());
    app.map.on("mousemove", ({ latlng }) => this.points && this.draw(latlng));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.points) this.toggle();
    });
  }

  toggle() {
    const { map } = this.app;
    this.points = this.points ? null : [];
    this.button.setAttribute("aria-pressed", String(Boolean(this.points)));
    map.getContainer().classList.toggle("urc-measuring", Boolean(this.points));
    map.closePopup();
    this.drawn.clearLayers();
    if (this.points) {
      map.doubleClickZoom.disable();
      this.drawn.addTo(map);
      map.getContainer().focus({ preventScroll: true });
    } else {
      map.doubleClickZoom.enable();
      this.drawn.remove();
    }
    this.tell(this.points);
  }

  add(latlng) {
    const last = this.points[this.points.length - 1];
    if (last && last.equals(latlng)) return; // the second half of a double click
    this.points.push(latlng);
    this.draw();
  }

  draw(to) {
    const way = to && this.points.length ? [...this.points, to] : this.points;
    this.drawn.clearLayers();
    const look = { color: "#b3005e", weight: 3, interactive: false };
    if (way.length > 2) L.polygon(way, { ...look, weight: 0, fillOpacity: 0.12 }).addTo(this.drawn);
    L.polyline(way, look).addTo(this.drawn);
    for (const point of this.points) {
      L.circleMarker(point, { ...look, radius: 4, weight: 2, fillColor: "#fff", fillOpacity: 1 }).addTo(this.drawn);
    }
    this.tell(way);
  }

  tell(way) {
    const { texts } = this.app;
    const said = urcById("urc-measured");
    said.hidden = !way;
    if (!way) return;
    if (way.length < 2) said.textContent = texts.measureHow;
    else {
      const length = urcLength(way);
      const long = length < 1000 ? `${length.toFixed(1)} ${texts.metre}` : `${(length / 1000).toFixed(3)} ${texts.kilometre}`;
      const area = way.length > 2 ? urcArea(way) : 0;
      const wide = area < 100000 ? `${area.toFixed(0)} ${texts.squareMetre}` : `${(area / 10000).toFixed(2)} ${texts.hectare}`;
      const values = { length: long, area: wide };
      said.textContent = urcFilled(way.length > 2 ? texts.measuredArea : texts.measured, values);
    }
  }
}

/* The view to print: title, legend and map on one sheet. The page looks so until it is printed. */
class UrcPrint {
  constructor(app) {
    this.app = app;
    urcById("urc-print").addEventListener("click", () => this.print());
    window.addEventListener("beforeprint", () => this.set(true));
    window.addEventListener("afterprint", () => this.set(false));
  }

  set(on) {
    const { map, state, texts } = this.app;
    if (document.body.classList.contains("urc-printing") === on) return;
    document.body.classList.toggle("urc-printing", on);
    urcById("urc-print-rule").textContent = on ? `${state.subject.title} · ${state.rule.label}` : "";
    const district = state.district === null ? texts.allDistricts : state.subject.districts[state.district];
    const here = map.getCenter();
    urcById("urc-print-filter").textContent = on
      ? `${texts.district}：${district || texts.noDistrict}　${texts.centre}：${here.lat.toFixed(5)}, ${here.lng.toFixed(5)}`
      : "";
    map.invalidateSize({ animate: false });
  }

  async print() {
    this.set(true);
    await this.app.picture.repaint();
    await new Promise((resolve) => setTimeout(resolve, 400)); // new tiles fade in
    window.print();
  }
}

/* The state in the address: #v=LAT,LON,ZOOM&s=SUBJECT&r=RULE&h=HIDDEN&d=DISTRICT&x=LAYERS&o=ID */
class UrcLink {
  constructor(app) {
    this.app = app;
    urcById("urc-link").addEventListener("click", () => this.copy());
    window.addEventListener("hashchange", () => {
      if (location.hash !== this.written) this.restore();
    });
  }

  remember() {
    const { map, state, looks } = this.app;
    const centre = map.getCenter();
    const hidden = [...looks.verdicts.keys()].filter((verdict) => !state.shown.has(verdict));
    const said = {
      v: `${centre.lat.toFixed(6)},${centre.lng.toFixed(6)},${map.getZoom()}`,
      s: state.subject.role,
      r: state.rule.id,
      h: hidden.join("."),
      d: state.district === null ? "" : `-${state.subject.districts[state.district]}`,
      x: [...state.hidden].join("."),
      o: state.selected ?? "",
    };
    const filled = Object.entries(said).filter(([, value]) => value !== "");
    this.written = `#${filled.map(([key, value]) => `${key}=${encodeURIComponent(value).replace(/%2C/g, ",")}`).join("&")}`;
    try {
      history.replaceState(null, "", this.written);
    } catch {
      // a frame without an address of its own, as in a notebook
    }
  }

  /* Bring back what the address says; whether it says anything. */
  restore() {
    const said = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    const { app } = this;
    const { state } = app;
    const [lat, lon, zoom] = (said.v ?? "").split(",").map(Number);
    const subject = app.subjects.find(({ role }) => role === said.s) ?? app.subjects[0];
    const rule = subject.rules.find(({ id }) => id === said.r) ?? subject.rules[0];
    const hidden = (said.h ?? "").split(".").filter(Boolean).map(Number);
    state.shown = new Set([...app.looks.verdicts.keys()].filter((verdict) => !hidden.includes(verdict)));
    state.hidden = new Set((said.x ?? "").split(".").filter(Boolean));
    const district = said.d ? subject.districts.indexOf(said.d.slice(1)) : -1;
    const placed = [lat, lon, zoom].every(Number.isFinite) && Boolean(said.v);
    if (placed) app.map.setView([lat, lon], zoom, { animate: false });
    app.choose({ subject, rule, district: district < 0 ? null : district, fit: !placed });
    app.panel.layersChosen();
    app.picture.repaintContext();
    if (said.o) {
      app.search.exactly(said.o).then((place) => place !== null && app.goTo(place, { move: false }));
    }
    return placed;
  }

  async copy() {
    const { texts, panel } = this.app;
    this.remember();
    const address = location.href;
    try {
      await navigator.clipboard.writeText(address);
      panel.say(texts.copied);
    } catch {
      panel.say(texts.copyByHand);
    }
    urcById("urc-address").value = address;
    urcById("urc-address").hidden = false;
    urcById("urc-address").select();
  }
}
