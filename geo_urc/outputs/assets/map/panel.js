"use strict";

/* The panel: what is asked for, the legend that filters, search, layers. */
class UrcPanel {
  constructor(app) {
    this.app = app;
    this.asked = 0;
    const on = (id, event, act) => urcById(id).addEventListener(event, act);
    on("urc-subject", "change", (event) => app.choose({ subject: app.subjects[event.target.value], fit: true }));
    on("urc-rule", "change", (event) => app.choose({ rule: app.state.subject.rules[event.target.value] }));
    on("urc-district", "change", (event) => {
      app.state.district = event.target.value === "" ? null : Number(event.target.value);
      app.changed();
    });
    on("urc-search", "input", () => this.search());
    on("urc-search", "keydown", (event) => this.searchKey(event));
    on("urc-matches", "keydown", (event) => this.matchKey(event));
    on("urc-everywhere", "click", () => this.searchEverywhere());
    on("urc-toggle", "click", () => this.fold());
    this.options("urc-subject", app.subjects.map(({ title, set }) => `${title}（${set.count.toLocaleString()}）`));
    this.layers();
  }

  options(id, entries) {
    urcById(id).replaceChildren(
      ...entries.map((text, place) => {
        const option = urcElement("option", text);
        option.value = place;
        return option;
      })
    );
  }

  say(text) {
    urcById("urc-say").textContent = text;
  }

  // ---- what is asked for ----------------------------------------------------------------------

  subjectChosen() {
    const { subject, rule } = this.app.state;
    urcById("urc-subject").value = this.app.subjects.indexOf(subject);
    this.options("urc-rule", subject.rules.map(({ label }) => label));
    urcById("urc-rule").value = rule.place;
    const all = urcElement("option", this.app.texts.allDistricts);
    all.value = "";
    const named = subject.districts.map((name, place) => {
      const option = urcElement("option", name || this.app.texts.noDistrict);
      option.value = place;
      return option;
    });
    urcById("urc-district").replaceChildren(all, ...named);
    urcById("urc-district-field").hidden = subject.districts.length < 2;
    urcById("urc-search").value = "";
    this.search();
  }

  shown() {
    const { subject, rule, district } = this.app.state;
    urcById("urc-rule").value = rule.place;
    urcById("urc-district").value = district ?? "";
    this.about(rule);
    this.legend(rule, district);
    const far = this.app.picture.isFar();
    const note = urcById("urc-far");
    note.hidden = !far;
    if (far) {
      const nearer = urcElement("button", this.app.texts.nearer, "urc-button");
      nearer.type = "button";
      nearer.addEventListener("click", () => this.app.map.setZoom(subject.tiles.from));
      note.replaceChildren(urcElement("span", this.app.texts.far), nearer);
    }
  }

  about(rule) {
    const { texts } = this.app;
    const about = urcById("urc-about");
    const source = [rule.citation, rule.policyClass].filter(Boolean).join(" · ");
    about.replaceChildren(urcElement("p", rule.explanation), urcElement("p", `${texts.source}：${source}`));
    const warnings = { layersMissing: rule.layersMissing.join(", "), changed: rule.changed.join("；") };
    for (const [key, said] of Object.entries(warnings)) {
      if (said) about.append(urcElement("p", `${texts[key]}：${said}`, "urc-warning"));
    }
  }

  // ---- legend and filter ----------------------------------------------------------------------

  legend(rule, district) {
    const { state, looks, texts } = this.app;
    const counts = looks.verdicts.map((_, verdict) =>
      district === null ? urcSum(rule.counts.map((row) => row[verdict])) : rule.counts[district][verdict]
    );
    const rows = counts.map((count, verdict) => {
      const { mark, label } = looks.verdicts[verdict];
      const row = urcElement("label", null, "urc-entry");
      const box = urcElement("input");
      box.type = "checkbox";
      box.checked = state.shown.has(verdict);
      box.dataset.verdict = verdict;
      box.addEventListener("change", () => {
        if (box.checked) state.shown.add(verdict);
        else state.shown.delete(verdict);
        this.app.changed();
        urcById("urc-legend").querySelector(`[data-verdict="${verdict}"]`).focus();
      });
      const sign = urcElement("span", mark, "urc-mark");
      sign.setAttribute("aria-hidden", "true");
      row.append(box, looks.swatch(verdict), sign, urcElement("span", label));
      row.append(urcElement("span", count.toLocaleString(), "urc-count"));
      row.classList.toggle("urc-off", !box.checked);
      return mark || count ? row : ""; // the line for other values only where there are some
    });
    urcById("urc-legend").replaceChildren(...rows);
    const all = state.subject.set.count;
    const seen = urcSum(this.app.picture.shownCounts(counts));
    const told = { n: seen.toLocaleString(), all: all.toLocaleString() };
    urcById("urc-seen").textContent = urcFilled(texts.seen, told);
  }

  layers() {
    const { context, texts, state } = this.app;
    const rows = context.map(({ role, title, set }) => {
      const row = urcElement("label", null, "urc-entry");
      const box = urcElement("input");
      box.type = "checkbox";
      box.dataset.role = role;
      box.addEventListener("change", () => {
        if (box.checked) state.hidden.delete(role);
        else state.hidden.add(role);
        this.app.picture.repaintContext();
        this.app.remember();
      });
      const key = urcElement("span", null, `urc-key urc-key-${role}`);
      key.setAttribute("aria-hidden", "true");
      row.append(box, key, urcElement("span", title), urcElement("span", set.count.toLocaleString(), "urc-count"));
      return row;
    });
    if (this.app.basemap) rows.unshift(this.app.basemap.row());
    urcById("urc-layers").replaceChildren(...rows);
    urcById("urc-layers-field").hidden = !rows.length;
    urcById("urc-layers-field").querySelector("legend").textContent = texts.layers;
    this.layersChosen();
  }

  layersChosen() {
    for (const box of urcById("urc-layers").querySelectorAll("[data-role]")) {
      box.checked = !this.app.state.hidden.has(box.dataset.role);
    }
  }

  fold() {
    const folded = document.body.classList.toggle("urc-folded");
    urcById("urc-toggle").setAttribute("aria-expanded", String(!folded));
    this.app.map.invalidateSize({ pan: false });
  }

  // ---- search ---------------------------------------------------------------------------------

  get words() {
    return urcById("urc-search").value.trim();
  }

  async search() {
    const { search } = this.app;
    const { words } = this;
    this.asked += 1;
    const asked = this.asked;
    urcById("urc-everywhere").hidden = true;
    if (!words) {
      this.list([], "");
      return;
    }
    const answer = await (search.isSmall ? search.anywhere(words) : search.beginning(words));
    if (asked !== this.asked) return;
    this.answer(answer);
    urcById("urc-everywhere").hidden = search.isSmall;
  }

  async searchEverywhere() {
    const { texts, search } = this.app;
    this.asked += 1;
    const asked = this.asked;
    urcById("urc-everywhere").hidden = true;
    const answer = await search.anywhere(
      this.words,
      () => asked !== this.asked,
      (n, all) => {
        urcById("urc-found").textContent = urcFilled(texts.looking, { n, all });
      }
    );
    if (answer && asked === this.asked) this.answer(answer);
  }

  answer({ found, count }) {
    const { texts } = this.app;
    const template = count > found.length ? texts.firstMatches : texts.matches;
    this.list(found, urcFilled(template, { n: count.toLocaleString(), m: found.length }));
  }

  list(found, said) {
    this.found = found;
    urcById("urc-found").textContent = said;
    urcById("urc-matches").replaceChildren(
      ...found.map(({ id, name, place }) => {
        const button = urcElement("button", name ? `${id} ${name}` : id);
        button.type = "button";
        button.addEventListener("click", () => this.app.goTo(place));
        const row = urcElement("li");
        row.append(button);
        return row;
      })
    );
  }

  searchKey(event) {
    const first = urcById("urc-matches").querySelector("button");
    if (event.key === "ArrowDown" && first) {
      first.focus();
      event.preventDefault();
    } else if (event.key === "Enter") {
      this.search().then(() => this.found.length && this.app.goTo(this.found[0].place));
    }
  }

  matchKey(event) {
    const step = { ArrowDown: "nextSibling", ArrowUp: "previousSibling" }[event.key];
    if (!step && event.key !== "Escape") return;
    const next = step && event.target.closest("li")?.[step]?.querySelector("button");
    if (next) next.focus();
    else if (event.key !== "ArrowDown") urcById("urc-search").focus();
    event.preventDefault();
  }
}
