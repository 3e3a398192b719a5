"use strict";

/* What is said of one subject or cell. Text from the data goes in through textContent alone. */

function urcElement(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function urcFilled(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// A column is one value (k), a dictionary (d) with codes (c), or plain values (v).
function urcValue(column, i) {
  if (!column) return null;
  if ("k" in column) return column.k;
  return "d" in column ? column.d[column.c[i]] : column.v[i];
}

class UrcPopups {
  constructor(app) {
    this.app = app;
    app.map.on("popupopen", ({ popup }) => this.opened(popup));
    app.map.on("popupclose", () => this.closed());
  }

  value(value, unit) {
    const { texts } = this.app;
    if (value === null || value === undefined) return "–";
    if (typeof value === "boolean") return value ? texts.yes : texts.no;
    if (unit.code === "yes_no" && (value === "yes" || value === "no")) return texts[value];
    if (typeof value !== "number") return String(value);
    if (unit.code === "share") return `${(value * 100).toFixed(2)}%`;
    const number = String(Math.round(value * 100) / 100);
    return unit.label ? `${number} ${unit.label}` : number;
  }

  verdict(verdict) {
    const { looks } = this.app;
    const { mark, label } = looks.verdicts[verdict];
    const row = urcElement("span", null, "urc-verdict");
    const sign = urcElement("span", mark, "urc-mark");
    sign.setAttribute("aria-hidden", "true");
    row.append(looks.swatch(verdict), sign, urcElement("span", label));
    return row;
  }

  rule(rule, facts, verdict, i) {
    const { texts, state } = this.app;
    const details = urcElement("details");
    const summary = urcElement("summary");
    summary.append(this.verdict(verdict), ` · ${rule.label}`);
    const list = urcElement("dl");
    const pair = (term, said, className) => {
      if (said) list.append(urcElement("dt", term), urcElement("dd", said, className));
    };
    const reasons = urcValue(facts.reasons[rule.place], i);
    const listed = new Set(rule.facts.map(({ column }) => column));
    pair(texts.reasons, reasons.said.join("；"));
    for (const fact of rule.facts) {
      const limit = fact.limit ? `（${texts.limit} ${fact.limit}）` : "";
      const told = fact.feature && !listed.has(fact.feature); // else it has a line of its own
      const feature = told ? urcValue(facts.facts[fact.feature], i) : null;
      const value = urcValue(facts.facts[fact.column], i);
      const empty = value === null && !reasons.missing && fact.empty;
      const said = (empty || this.value(value, fact.unit)) + limit;
      pair(fact.title, feature ? `${said} · ${feature}` : said);
      if (fact.column !== rule.headline) continue;
      for (const part of ["margin", "accuracy"]) {
        const number = urcValue(facts.facts[rule[part]], i);
        if (number !== null) pair(texts[part], this.value(number, rule.marginUnit));
      }
    }
    const outlook = this.outlook(facts.outlooks?.[rule.place], i);
    if (outlook) list.append(urcElement("dt", outlook.aim), outlook.said);
    pair(texts.source, rule.citation);
    pair(texts.policyClass, rule.policyClass);
    pair(texts.changed, rule.changed.join("；"), "urc-changed");
    details.append(summary, list);
    details.open = rule === state.rule;
    return details;
  }

  /* What would change the verdict: {aim, said}. Rows of one wording differ in its numbers only. */
  outlook(outlooks, i) {
    const which = outlooks && urcValue(outlooks.of, i);
    const wording = outlooks && outlooks.wordings[which];
    if (!wording) return null;
    let row = 0;
    for (let k = 0; k < i; k += 1) if (urcValue(outlooks.of, k) === which) row += 1;
    const filled = (text) =>
      text.replace(/\0(\d+)\0/g, (_, place) => String(outlooks.numbers[which][place][row]));
    const said = urcElement("dd", wording.how || null, "urc-outlook");
    const [only] = wording.ways;
    if (wording.ways.length === 1 && only.length === 1) {
      said.textContent = filled(only[0]);
      return { aim: wording.aim, said };
    }
    const list = urcElement(wording.ways.length > 1 ? "ol" : "ul");
    for (const way of wording.ways.length > 1 ? wording.ways.map((all) => all.join("；")) : only) {
      list.append(urcElement("li", filled(way)));
    }
    said.append(list);
    if (wording.further) said.append(wording.further);
    return { aim: wording.aim, said };
  }

  subject(shapes, facts, i) {
    const { texts, state } = this.app;
    const { subject, rule } = state;
    const box = urcElement("div", null, "urc-popup");
    const name = urcValue(facts.names, i);
    const title = name ? `${facts.ids[i]} ${name}` : facts.ids[i];
    box.append(urcElement("h2", title));
    const district = subject.districts[shapes.chunk.district[i]];
    if (district) box.append(urcElement("p", `${subject.title} · ${district}`, "urc-small"));
    if (!shapes.drawn(i)) box.append(urcElement("p", texts.noShape, "urc-warning"));
    for (const each of [rule, ...subject.rules.filter((other) => other !== rule)]) {
      box.append(this.rule(each, facts, shapes.chunk[`v${each.place}`][i], i));
    }
    box.dataset.title = title;
    return box;
  }

  cell(counts, latlng) {
    const { texts, state, map, looks } = this.app;
    const box = urcElement("div", null, "urc-popup");
    const title = urcFilled(texts.cell, { n: urcSum(counts).toLocaleString() });
    box.append(urcElement("h2", title), urcElement("p", state.rule.label));
    counts.forEach((count, verdict) => {
      if (!count) return;
      const row = urcElement("div", null, "urc-entry");
      row.append(this.verdict(verdict), urcElement("span", count.toLocaleString(), "urc-count"));
      box.append(row);
    });
    const nearer = urcElement("button", texts.nearer, "urc-button");
    nearer.type = "button";
    nearer.addEventListener("click", () => {
      map.closePopup();
      map.setView(latlng, state.subject.tiles.from);
      map.getContainer().focus();
    });
    box.append(nearer);
    box.dataset.title = title;
    return box;
  }

  open(latlng, content) {
    const narrow = window.matchMedia("(max-width: 700px)").matches;
    const height = Math.max(140, Math.min(360, this.app.map.getSize().y - 90));
    L.popup({ maxWidth: narrow ? 280 : 360, minWidth: 240, maxHeight: height, className: "urc-bubble" })
      .setLatLng(latlng)
      .setContent(content)
      .openOn(this.app.map);
  }

  opened(popup) {
    const box = popup.getElement();
    const title = popup.getContent().dataset?.title ?? "";
    box.setAttribute("role", "dialog");
    box.setAttribute("aria-label", title);
    box.tabIndex = -1;
    const close = box.querySelector(".leaflet-popup-close-button");
    if (close) close.setAttribute("aria-label", this.app.texts.close);
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.app.map.closePopup();
      this.app.map.getContainer().focus();
    });
    box.focus({ preventScroll: true });
  }

  closed() {
    this.app.deselect();
  }
}
