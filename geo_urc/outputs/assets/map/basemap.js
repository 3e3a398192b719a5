"use strict";

/*
 * A base map from outside, only where the run was asked for one. Pictures in GCJ-02 are moved to where
 * they belong; the data stays where it is.
 */
function urcGcj02(latlng) {
  const { lat, lng } = latlng;
  const [x, y] = [lng - 105, lat - 35];
  const wave = (size, of, length) => size * Math.sin((Math.PI * of) / length);
  const ripple = wave(20, x, 1 / 6) + wave(20, x, 1 / 2);
  const north =
    -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * Math.sqrt(Math.abs(x)) +
    (ripple + wave(20, y, 1) + wave(40, y, 3) + wave(160, y, 12) + wave(320, y, 30)) / 1.5; // prettier-ignore
  const east =
    300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * Math.sqrt(Math.abs(x)) +
    (ripple + wave(20, x, 1) + wave(40, x, 3) + wave(150, x, 12) + wave(300, x, 30)) / 1.5; // prettier-ignore
  const [a, e2] = [6378245, 0.00669342162296594323];
  const phi = (lat * Math.PI) / 180;
  const w2 = 1 - e2 * Math.sin(phi) ** 2;
  const meridian = (a * (1 - e2)) / (w2 * Math.sqrt(w2));
  const parallel = (a / Math.sqrt(w2)) * Math.cos(phi);
  return L.latLng(lat + ((north / meridian) * 180) / Math.PI, lng + ((east / parallel) * 180) / Math.PI);
}

/* Tiles whose own place for the centre of the view is put under that centre. */
const UrcShiftedTiles = L.TileLayer.extend({
  getEvents() {
    const events = L.TileLayer.prototype.getEvents.call(this);
    const moved = events.moveend;
    events.moveend = (event) => {
      this._setZoomTransforms(this._map.getCenter(), this._map.getZoom());
      moved?.call(this, event);
    };
    return events;
  },

  _setZoomTransform(level, center, zoom) {
    L.TileLayer.prototype._setZoomTransform.call(this, level, urcGcj02(center), zoom);
  },

  _getTiledPixelBounds(center) {
    return L.TileLayer.prototype._getTiledPixelBounds.call(this, urcGcj02(center));
  },
});

class UrcBasemap {
  constructor(app) {
    const { basemap } = app.data;
    this.app = app;
    const key = encodeURIComponent(basemap.key);
    this.layers = basemap.urls.map((template) => {
      const url = template.replace("{key}", () => key);
      const options = { subdomains: basemap.subdomains, maxNativeZoom: 18, maxZoom: 20, pane: "tilePane", attribution: "" };
      return basemap.datum === "gcj02" ? new UrcShiftedTiles(url, options) : L.tileLayer(url, options);
    });
    for (const layer of this.layers) layer.addTo(app.map);
    L.control.attribution({ prefix: false }).addAttribution(urcElement("i", basemap.credit).innerHTML).addTo(app.map);
  }

  row() {
    const { basemap } = this.app.data;
    const row = urcElement("label", null, "urc-entry");
    const box = urcElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      for (const layer of this.layers) {
        if (box.checked) layer.addTo(this.app.map);
        else layer.remove();
      }
    });
    row.append(box, urcElement("span", basemap.title));
    return row;
  }
}
