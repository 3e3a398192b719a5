"use strict";

/*
 * Draws the subjects of one run and answers clicks, filters and searches.
 * All text from the data goes into the page through textContent, never as HTML.
 */
function geoUrcMap(map) {
  const data = JSON.parse(document.getElementById("urc-data").textContent);
  const texts = data.texts;
  const quantum = 1e-6;
  const mostMatches = 20;
  const byId = (id) => document.getElementById(id);
  const drawings = new Map(); // role -> {group, layers}: each geometry is built once
  const shown = new Set(data.verdicts.keys());
  let subject = null;
  let rule = null;

  document.documentElement.lang = data.lang === "zh" ? "zh-CN" : "en";
  map.getContainer().setAttribute("aria-label", texts.map);
  L.control.zoom({ zoomInTitle: texts.zoomIn, zoomOutTitle: texts.zoomOut }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);

  // ---- small things ---------------------------------------------------------------------

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function filled(template, n, m) {
    return template.replace("{n}", () => n).replace("{m}", () => m);
  }

  // A column is one value (k), a dictionary (d) with codes (c), or plain values (v).
  function valueAt(column, i) {
    if (!column) return null;
    if ("k" in column) return column.k;
    return "d" in column ? column.d[column.c[i]] : column.v[i];
  }

  function verdictAt(ofRule, i) {
    return Number(subject.verdicts[ofRule.id][i]);
  }

  function shownValue(value, unit) {
    if (value === null || value === undefined) return "–";
    if (typeof value === "boolean") return value ? texts.yes : texts.no;
    if (typeof value !== "number") return String(value);
    if (unit.code === "share") return (value * 100).toFixed(2) + "%";
    const number = String(Math.round(value * 100) / 100);
    return unit.label ? number + " " + unit.label : number;
  }

  function mark(verdict) {
    const look = data.verdicts[verdict];
    const made = element("span", look.mark, "urc-mark");
    made.style.background = look.colour;
    made.setAttribute("aria-hidden", "true");
    return made;
  }

  // ---- geometry -------------------------------------------------------------------------

  function points(path) {
    const found = [];
    let x = 0;
    let y = 0;
    for (let k = 0; k < path.length; k += 2) {
      x += path[k];
      y += path[k + 1];
      found.push([x * quantum, y * quantum]);
    }
    return found;
  }

  function geojson(parts) {
    if (Array.isArray(parts[0][0])) {
      return { type: "MultiPolygon", coordinates: parts.map((rings) => rings.map(points)) };
    }
    if (parts[0].length === 2) {
      return { type: "MultiPoint", coordinates: parts.map((path) => points(path)[0]) };
    }
    return { type: "MultiLineString", coordinates: parts.map(points) };
  }

  function drawSingles(ofSubject) {
    const layers = new Array(ofSubject.count);
    const features = [];
    ofSubject.shapes.forEach((parts, i) => {
      if (parts) features.push({ type: "Feature", properties: { i }, geometry: geojson(parts) });
    });
    const group = L.geoJSON(features, {
      pointToLayer: (feature, place) => L.circleMarker(place, { radius: 6 }),
      onEachFeature: (feature, layer) => {
        const i = feature.properties.i;
        layers[i] = layer;
        layer.bindPopup(() => subjectPopup(i), { maxWidth: 340, minWidth: 230, maxHeight: 340 });
        layer.on("popupopen", () => layer.setStyle({ weight: 4 }));
        layer.on("popupclose", () => layer.setStyle(styleOf(verdictAt(rule, i))));
      },
    });
    return { group, layers };
  }

  function drawGrid(ofSubject) {
    const [west, south, width, height] = ofSubject.grid.frame;
    const layers = [];
    const group = L.featureGroup();
    for (let k = 0; k < ofSubject.grid.cells.length; k += 2) {
      const x = west + ofSubject.grid.cells[k] * width;
      const y = south + ofSubject.grid.cells[k + 1] * height;
      const layer = L.rectangle([[y, x], [y + height, x + width]]);
      const cell = layers.push(layer) - 1;
      layer.bindPopup(() => cellPopup(cell), { maxWidth: 300 });
      group.addLayer(layer);
    }
    return { group, layers };
  }

  // Water and green lie below the subjects, lines and stations above; all let clicks through.
  const contextLooks = {
    green_spaces: { below: true, stroke: false, fill: true, fillColor: "#cfe3c4", fillOpacity: 1 },
    blue_lines: { below: true, stroke: false, fill: true, fillColor: "#bcd9ee", fillOpacity: 1 },
    districts: { color: "#345", weight: 2, dashArray: "8 4 2 4", fill: false },
    rail_stations: { color: "#fff", weight: 1.5, fill: true, fillColor: "#1b3a6b", fillOpacity: 1, radius: 5 },
  };

  function drawContext() {
    const renderers = {};
    for (const [name, zIndex] of [["below", 350], ["above", 450]]) {
      const pane = map.createPane(name);
      pane.style.zIndex = zIndex;
      pane.style.pointerEvents = "none";
      renderers[name] = L.canvas({ pane: name });
    }
    for (const { role, shapes } of data.context) {
      const pane = contextLooks[role].below ? "below" : "above";
      const look = { ...contextLooks[role], interactive: false, pane, renderer: renderers[pane] };
      L.geoJSON(shapes.filter(Boolean).map(geojson), {
        style: look,
        pane,
        pointToLayer: (feature, place) => L.circleMarker(place, look),
      }).addTo(map);
    }
  }

  function styleOf(verdict) {
    return { color: "#444", weight: 1, fillColor: data.verdicts[verdict].colour, fillOpacity: 0.9 };
  }

  function cellCounts(cell) {
    const width = data.verdicts.length;
    return subject.grid.counts[rule.id].slice(cell * width, (cell + 1) * width);
  }

  function cellStyle(cell) {
    let most = null;
    cellCounts(cell).forEach((count, verdict) => {
      if (count && shown.has(verdict) && (most === null || count > cellCounts(cell)[most])) {
        most = verdict;
      }
    });
    return most === null ? null : styleOf(most);
  }

  function singleStyle(i) {
    const verdict = verdictAt(rule, i);
    return shown.has(verdict) ? styleOf(verdict) : null;
  }

  // A hidden feature leaves the map, so that it cannot be clicked either.
  function paint() {
    const { group, layers } = drawings.get(subject.role);
    const style = subject.grid ? cellStyle : singleStyle;
    layers.forEach((layer, i) => {
      const look = style(i);
      if (!look) {
        group.removeLayer(layer);
        return;
      }
      layer.setStyle(look);
      if (!group.hasLayer(layer)) group.addLayer(layer);
    });
  }

  // ---- popups ---------------------------------------------------------------------------

  function pair(list, term, description, className) {
    if (!description) return;
    list.append(element("dt", term), element("dd", description, className));
  }

  function ruleDetails(ofRule, i) {
    const details = element("details");
    const verdict = verdictAt(ofRule, i);
    const summary = element("summary");
    summary.append(mark(verdict), " " + data.verdicts[verdict].label + " · " + ofRule.label);
    const list = element("dl");
    pair(list, texts.reasons, valueAt(subject.reasons[ofRule.id], i).join("；"));
    for (const fact of ofRule.facts) {
      const value = valueAt(subject.facts[fact.column], i);
      const limit = fact.limit ? "（" + texts.limit + " " + fact.limit + "）" : "";
      pair(list, fact.title, shownValue(value, fact.unit) + limit);
      if (fact.column !== ofRule.headline) continue;
      for (const part of ["margin", "accuracy"]) {
        const number = valueAt(subject.facts[ofRule[part]], i);
        if (number !== null) pair(list, texts[part], shownValue(number, ofRule.marginUnit));
      }
    }
    pair(list, texts.source, ofRule.citation);
    pair(list, texts.policyClass, ofRule.policyClass);
    pair(list, texts.changed, ofRule.changed.join("；"), "urc-changed");
    details.append(summary, list);
    details.open = ofRule === rule;
    return details;
  }

  function subjectPopup(i) {
    const box = element("div", null, "urc-popup");
    const name = valueAt(subject.names, i);
    box.append(element("h2", name ? subject.ids[i] + " " + name : subject.ids[i]));
    if (!subject.shapes[i]) box.append(element("p", texts.noShape));
    const others = subject.rules.filter((other) => other !== rule);
    for (const each of [rule, ...others]) box.append(ruleDetails(each, i));
    return box;
  }

  function cellPopup(cell) {
    const box = element("div", null, "urc-popup");
    const counts = cellCounts(cell);
    box.append(element("h2", filled(texts.cell, counts.reduce((sum, count) => sum + count, 0))));
    box.append(element("div", rule.label));
    counts.forEach((count, verdict) => {
      if (!count) return;
      const row = element("div", null, "urc-entry");
      row.append(mark(verdict), element("span", data.verdicts[verdict].label));
      row.append(element("span", count, "urc-count"));
      box.append(row);
    });
    return box;
  }

  map.on("popupopen", (event) => {
    const box = event.popup.getElement();
    box.setAttribute("role", "dialog");
    const close = box.querySelector(".leaflet-popup-close-button");
    if (close) close.setAttribute("aria-label", texts.close);
  });

  // ---- panel ----------------------------------------------------------------------------

  function options(select, entries) {
    select.replaceChildren(
      ...entries.map((text, place) => {
        const option = element("option", text);
        option.value = place;
        return option;
      })
    );
  }

  function showLegend() {
    const entries = rule.counts.map((count, verdict) => {
      const look = data.verdicts[verdict];
      const row = element("label", null, "urc-entry");
      const box = element("input");
      box.type = "checkbox";
      box.checked = shown.has(verdict);
      box.addEventListener("change", () => {
        if (box.checked) shown.add(verdict);
        else shown.delete(verdict);
        paint();
      });
      row.append(box, mark(verdict), element("span", look.label), element("span", count, "urc-count"));
      row.hidden = !look.mark && !count; // the line for other values only where there are some
      return row.hidden ? "" : row;
    });
    byId("urc-legend").replaceChildren(...entries);
  }

  function showAbout() {
    const about = byId("urc-about");
    const source = [rule.citation, rule.policyClass].filter(Boolean).join(" · ");
    about.replaceChildren(element("p", rule.explanation), element("p", texts.source + "：" + source));
    if (rule.layersMissing.length) {
      const missing = texts.layersMissing + "：" + rule.layersMissing.join(", ");
      about.append(element("p", missing, "urc-warning"));
    }
    if (rule.changed.length) {
      about.append(element("p", texts.changed + "：" + rule.changed.join("；"), "urc-warning"));
    }
  }

  function chooseRule(place) {
    rule = subject.rules[place];
    map.closePopup();
    showAbout();
    showLegend();
    paint();
  }

  function chooseSubject(place) {
    map.closePopup();
    if (subject) map.removeLayer(drawings.get(subject.role).group);
    subject = data.subjects[place];
    rule = subject.rules[0];
    if (!drawings.has(subject.role)) {
      drawings.set(subject.role, (subject.grid ? drawGrid : drawSingles)(subject));
    }
    options(byId("urc-rule"), subject.rules.map((each) => each.label));
    chooseRule(0);
    const group = drawings.get(subject.role).group.addTo(map);
    if (group.getLayers().length) {
      map.fitBounds(group.getBounds(), { padding: [20, 20], maxZoom: 18, animate: false });
    }
    const note = byId("urc-grid");
    note.hidden = !subject.grid;
    if (subject.grid) note.textContent = filled(texts.grid, subject.count, subject.grid.sizeM);
    byId("urc-search").value = "";
    byId("urc-search").disabled = Boolean(subject.grid);
    search();
  }

  // ---- search ---------------------------------------------------------------------------

  function search() {
    const wanted = byId("urc-search").value.trim().toLowerCase();
    const found = [];
    if (wanted && !subject.grid) {
      subject.ids.forEach((id, i) => {
        const text = id + "\n" + (valueAt(subject.names, i) ?? "");
        if (text.toLowerCase().includes(wanted)) found.push(i);
      });
    }
    const listed = found.slice(0, mostMatches);
    byId("urc-matches").replaceChildren(
      ...listed.map((i) => {
        const name = valueAt(subject.names, i);
        const button = element("button", name ? subject.ids[i] + " " + name : subject.ids[i]);
        button.type = "button";
        button.prepend(mark(verdictAt(rule, i)), " ");
        button.addEventListener("click", () => goTo(i));
        const row = element("li");
        row.append(button);
        return row;
      })
    );
    const template = found.length > listed.length ? texts.firstMatches : texts.matches;
    byId("urc-found").textContent = subject.grid
      ? texts.noSearch
      : wanted ? filled(template, found.length, listed.length) : "";
    return found;
  }

  function goTo(i) {
    const layer = drawings.get(subject.role).layers[i];
    map.closePopup();
    if (!layer) {
      L.popup({ maxWidth: 340, maxHeight: 340 })
        .setLatLng(map.getCenter())
        .setContent(subjectPopup(i))
        .openOn(map);
      return;
    }
    shown.add(verdictAt(rule, i));
    showLegend();
    paint();
    map.fitBounds(layer.getBounds(), { maxZoom: 17, animate: false });
    layer.openPopup();
  }

  byId("urc-search").addEventListener("input", search);
  byId("urc-search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const found = search();
    if (found.length) goTo(found[0]);
  });
  byId("urc-subject").addEventListener("change", (event) => chooseSubject(event.target.value));
  byId("urc-rule").addEventListener("change", (event) => chooseRule(event.target.value));

  drawContext();
  if (!data.subjects.length) return;
  options(byId("urc-subject"), data.subjects.map((each) => each.title + "（" + each.count + "）"));
  chooseSubject(0);
}
