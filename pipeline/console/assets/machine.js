// One machine: what it needs, the answers, and live charts.
import { apiOf, incidentPageOf, remember } from "./address.js";
import { read } from "./api.js";
import { levelChart, raster, sensorChart } from "./charts.js";
import { buttons } from "./commands.js";
import { attribute, h, list, only, segments, text } from "./dom.js";
import { blame, calm, captures, changes, count, doubts, duration, isBad, MEANS, moment, number, offsetOf, peersOf, percent, pill, reached, showLevel, signed, toConfirm, trust } from "./format.js";
import { pastView } from "./past.js";
import { joined, newest, sparse } from "./rows.js";
import { row, table as tableOf } from "./tables.js";
import { askTimes, queryOf, SPANS as TIMES, stamp, viewOf, width, zones } from "./times.js";

const SPANS = { 150: "150 rows", 400: "400 rows", 1600: "all" };
const CHARTS = 8;
const AGED_MS = 60_000;

function fact(title) {
  const value = h("dd", { class: "number" });
  const element = h("div", {}, h("dt", {}, title), value);
  element.update = (words) => text(value, words);
  element.level = (level, score) => showLevel(value, level, score);
  return element;
}

function incidentCard(id) {
  const title = h("a", { class: "name" });
  const why = h("p", { class: "why" });
  const parts = h("ul", { class: "parts" });
  const facts = { since: fact("since"), lasts: fact("duration"), peak: fact("highest level"), at: fact("highest at"), label: fact("class"), state: fact("status") };
  const element = h("section", { class: "card incident", id: "incident", "aria-label": "Open incident" }, h("h2", {}, title), h("div", { class: "halves" }, h("div", {}, why, parts), h("dl", { class: "facts three" }, ...Object.values(facts))));
  element.update = (incident, now_s) => {
    element.className = `card incident ${incident.severity}`;
    attribute(title, "href", incidentPageOf(id, incident.number));
    text(title, `Incident ${incident.number}: ${incident.severity}${incident.unconfirmed ? ", unconfirmed" : ""}`);
    text(why, incident.why);
    list(parts, incident.sensors, (part) => part.sensor, () => {
      const name = h("span", { class: "strong" });
      const bar = h("progress", { max: "1" });
      const share = h("span", { class: "number" });
      const one = h("li", {}, name, bar, share);
      one.update = (part) => {
        text(name, part.name);
        bar.value = part.share;
        attribute(bar, "aria-label", `share of ${part.name}`);
        text(share, `${percent(part.share)}${part.direction ? ` ${part.direction}` : ""}`);
      };
      return one;
    });
    facts.since.update(moment(incident.started_s));
    facts.lasts.update([duration(incident.newest_s - incident.started_s), calm(incident, now_s)].filter(Boolean).join(", "));
    facts.peak.level(incident.peak_level, incident.peak);
    facts.at.update(moment(incident.peak_s));
    facts.label.update(incident.class ? `${incident.class}, confidence ${percent(incident.confidence)}` : "unknown");
    facts.state.update(incident.snoozed_until_s ? `snoozed until ${moment(incident.snoozed_until_s)}` : incident.acknowledged ? "acknowledged" : "unacknowledged");
  };
  return element;
}

// Of an incident that ended, or will, because it lasted.
function unconfirmedCard() {
  const title = h("h2", {});
  const which = h("p", { class: "why" });
  const what = h("p", {});
  const element = h("section", { class: "card incident changed", id: "unconfirmed", "aria-label": "Unconfirmed incident" }, title, which, what);
  element.update = (one) => {
    text(title, `Incident ${one.unconfirmed} is unconfirmed`);
    text(which, changes(one));
    text(what, toConfirm(one.incident && !one.incident.unconfirmed));
  };
  return element;
}

function ageingTable() {
  const none = h("p", { class: "muted" });
  const { body, element: table } = tableOf("Ageing", ["Sensor", "Shift", "In its unit", "Per day", "Offset and gain", "Limit reached", "Rank among its kind"]);
  const element = h("section", { class: "card table", id: "ageing" }, h("h2", {}, "Ageing since commissioning or the last repair"), none, table);
  element.update = (sensors) => {
    const known = sensors.filter((one) => one.shift !== null);
    const least = Math.min(...sensors.map((one) => one.known), 1);
    text(none, known.length < sensors.length ? `Needs about 3,000 rows of each sensor; ${percent(least)} recorded so far.` : "");
    attribute(none, "hidden", known.length < sensors.length ? null : "");
    attribute(table, "hidden", known.length ? null : "");
    list(body, known, (one) => one.sensor, (one) => {
      const its = row(h("th", { scope: "row" }, one.sensor), 6);
      its.update = (now) => its.fill([`${signed(now.shift, 2)} σ`, `${signed(now.moved)} ± ${number(now.error, 2)}`, `${signed(now.per_day, 2)} σ`, offsetOf(now), reached(now.forecast), peersOf(now)]);
      return its;
    });
  };
  return element;
}

export function machine(place, id, query) {
  const address = apiOf(id);
  const status = pill("learning", 0);
  const name = h("h1", {}, id);
  const tags = h("span", { class: "muted" });
  const means = h("p", { class: "muted means" });
  const facts = { level: fact("level"), sensors: fact("sensors"), readings: fact("readings"), newest: fact("newest reading") };
  const answers = buttons(id, () => refresh());
  const incident = h("div", {});
  const unconfirmed = h("div", {});
  const charts = h("div", { id: "charts" });
  const levelPlace = h("section", { class: "card chart" });
  const rasterPlace = h("section", { class: "card chart" });
  const sensorPlaces = h("div", { class: "grid" });
  const { body: table, element: sensorTable } = tableOf("Sensors", ["Sensor", "Value", "Expected", "Level", "Share", "Quality", "Chart"]);
  const ageing = ageingTable();
  const account = h("p", { class: "muted small", id: "account" });
  const spans = h("div", { class: "segments", role: "group", "aria-label": "How much the charts show" });
  const reset = h("button", { type: "button", hidden: true, onclick: () => zoomTo(null) }, "Reset zoom");
  const view = viewOf(query);
  const state = { incident: null, labels: {}, warning_level: 5, critical_level: 8, sparse: null, utc: view.utc, zoomTo };
  const choices = segments("Time that is shown", { "": "Live", ...Object.fromEntries(Object.entries(TIMES).map(([key, [, words]]) => [key, words])), own: "Custom …" }, choose);
  const zonePlace = zones((utc) => look({ utc }));
  const past = pastView(id, view, { changed: () => look({}), sensors: () => chosen ?? [] });
  const heading = h("h2", {}, "Live");
  const grey = h("p", { class: "muted small", id: "grey" });
  const liveTools = h("div", { class: "bar tools" }, grey, h("div", { class: "choices" }, reset, spans));
  let newest_s = 0;
  let all = null;
  let zoom = null; // from when to when the charts show, and the rows as they were when that was chosen
  let cursor = "";
  let span = 400;
  let selected = "";
  let chosen = null;
  let agedAgain = 0;
  let changed = [];
  let drawn = { key: "", list: [], level: null, raster: null };

  place.replaceChildren(
    h("p", { class: "crumb" }, h("a", { href: "#/" }, "← All machines")),
    h("div", { class: "bar machine-bar" }, h("div", { class: "title" }, name, tags), status, h("dl", { class: "facts" }, ...Object.values(facts))),
    means,
    answers,
    incident,
    unconfirmed,
    h("div", { class: "bar tools" }, heading, h("div", { class: "choices" }, zonePlace, choices)),
    liveTools,
    charts,
    past.element,
    h("section", { class: "card table" }, h("h2", {}, "Sensors"), sensorTable),
    ageing,
    account,
  );
  charts.append(levelPlace, rasterPlace, sensorPlaces);
  spans.append(
    ...Object.entries(SPANS).map(([rows, title]) =>
      h("button", { type: "button", "aria-pressed": String(Number(rows) === span), onclick: (event) => {
        span = Number(rows);
        zoomTo(null);
        for (const one of spans.children) attribute(one, "aria-pressed", String(one === event.target));
        draw();
      } }, title),
    ),
  );

  const isLive = () => !view.span && view.from === null;

  // Something else is to be shown.
  function look(next) {
    const { utc } = state;
    Object.assign(view, next);
    state.utc = view.utc;
    remember(queryOf(view));
    arrange();
    if (utc !== view.utc) redraw();
    if (!isLive()) past.refresh(newest_s);
  }

  function arrange() {
    choices.update(isLive() ? "" : view.span || "own");
    zonePlace.update(view.utc ? "utc" : "local");
    text(heading, isLive() ? "Live" : "History");
    for (const one of [charts, liveTools]) attribute(one, "hidden", isLive() ? null : "");
    attribute(past.element, "hidden", isLive() ? "" : null);
    if (isLive()) draw();
  }

  async function choose(key) {
    if (key !== "own") {
      zoom = null;
      past.begin();
      look({ span: key, from: null, to: null });
      return;
    }
    const to = view.to ?? newest_s;
    const given = await askTimes(view.from ?? to - (TIMES[view.span]?.[0] ?? 28_800), to, view.utc);
    if (!given) return;
    past.begin();
    look({ span: "", ...given });
  }

  function groupHeading(words) {
    const element = h("tr", {}, h("th", { scope: "colgroup", colspan: "7", class: "muted" }, words));
    element.update = () => {};
    return element;
  }

  function sensorRow() {
    const [sensor, value, expected, own, share, quality] = ["th", "td", "td", "td", "td", "td"].map((tag) => h(tag, { class: tag === "th" ? "" : "number", ...(tag === "th" && { scope: "row" }) }));
    const show = h("button", { type: "button", class: "quiet", onclick: () => toggle(element.sensor) }, "show");
    const element = h("tr", {}, sensor, value, expected, own, share, quality, h("td", {}, show));
    element.update = (one) => {
      element.sensor = one.sensor;
      const columns = all?.sensors[one.sensor];
      const now = all?.newest[one.sensor];
      text(sensor, one.name);
      attribute(sensor, "title", one.name === one.sensor ? null : one.sensor);
      text(value, now ? `${number(now.value)} ${one.unit}`.trim() : "–");
      text(expected, now && now.low !== null ? `${number(now.low)} … ${number(now.high)}` : "–");
      showLevel(own, now?.level, now?.score);
      text(share, now && now.share !== null ? percent(now.share) : "–");
      const doubt = isBad(one);
      const change = changed.includes(one.sensor) ? "◆ changed" : "";
      text(quality, [doubt ? `▲ ${trust(one)}` : change ? "" : "good", change].filter(Boolean).join(", "));
      attribute(quality, "class", doubt ? "number bad-text" : "number muted");
      const on = Boolean(columns);
      text(show, on ? "spikes" : "show");
      attribute(show, "aria-label", `${on ? "spikes of" : "show"} ${one.name}`);
      attribute(show, "aria-pressed", String(selected === one.sensor));
    };
    return element;
  }

  function toggle(sensor) {
    selected = sensor;
    if (!chosen?.includes(sensor)) {
      chosen = [sensor, ...(chosen ?? [])].slice(0, CHARTS);
      cursor = "";
    }
    refresh();
  }

  // Until it is reset, whatever comes in meanwhile; null resets it.
  function zoomTo(min, max) {
    zoom = min === null ? null : { min, max, rows: zoom?.rows ?? all };
    // Whoever opens the address sees the same time, from the database.
    remember(queryOf({ ...view, from: min, to: max }));
    draw();
  }

  function build() {
    const key = Object.keys(all.sensors).join("\n");
    if (drawn.key === key && drawn.level) return;
    end();
    levelPlace.replaceChildren();
    rasterPlace.replaceChildren();
    drawn = { key, level: levelChart(levelPlace, state), raster: raster(rasterPlace, state), list: [] };
    sensorPlaces.replaceChildren(
      ...Object.keys(all.sensors).map(() => h("section", { class: "card chart" })),
    );
    Object.keys(all.sensors).forEach((sensor, at) => drawn.list.push(sensorChart(sensorPlaces.children[at], sensor, state)));
  }

  function draw() {
    if (!isLive() || !all || !Object.keys(all.sensors).length || !all.time_s.length) return;
    build();
    attribute(reset, "hidden", zoom ? null : "");
    const shown = zoom?.rows ?? newest(all, span);
    state.sparse = sparse(shown.time_s);
    text(grey, state.sparse ? `Grey: only what was written, about every ${width(state.sparse.every_s)}. From ${stamp(state.sparse.until_s, view.utc)} on every row.` : "");
    drawn.level.update(shown, zoom);
    for (const chart of drawn.list) chart.update(shown, zoom);
    const blamed = state.incident?.sensors[0]?.sensor;
    const sensor = [selected, blamed, all.order[0]].find((one) => one && all.sensors[one]) ?? Object.keys(all.sensors)[0];
    drawn.raster.update(shown, zoom, sensor);
    charts.dataset.zoom = zoom ? `${zoom.min} ${zoom.max}` : "";
    charts.dataset.rows = String(all.time_s.length);
    charts.dataset.newest = String(all.time_s.at(-1));
  }

  function end() {
    for (const chart of [drawn.level, drawn.raster, ...drawn.list]) chart?.end();
    drawn = { key: "", list: [], level: null, raster: null };
  }

  async function rows() {
    const query = new URLSearchParams([...(cursor ? [["cursor", cursor]] : []), ...(chosen ?? []).map((sensor) => ["sensor", sensor])]);
    const [from, wanted] = [cursor, chosen];
    const more = await read(`${address}/rows?${query}`);
    if (from !== cursor || wanted !== chosen) return; // another answer was joined, or other sensors were chosen, meanwhile
    all = more.goes_on && all ? joined(all, more) : more;
    if (zoom && !more.goes_on && more.time_s[0] <= zoom.min) zoom.rows = more; // with other sensors
    cursor = more.cursor;
    chosen ??= Object.keys(more.sensors);
    const blamed = state.incident?.sensors[0]?.sensor;
    if (blamed && !chosen.includes(blamed)) {
      chosen = [blamed, ...chosen].slice(0, CHARTS);
      cursor = "";
    } else if (chosen.length < Math.min(CHARTS, more.order.length)) {
      chosen = more.order.slice(0, CHARTS); // sensors that appeared since
      cursor = "";
    }
  }

  async function refresh() {
    const [one] = await Promise.all([read(address), rows()]);
    Object.assign(state, { incident: one.incident, labels: Object.fromEntries(one.sensors.map((sensor) => [sensor.sensor, sensor])), warning_level: one.warning_level, critical_level: one.critical_level });
    text(name, one.label);
    attribute(name, "title", one.label === one.name ? null : one.name);
    document.title = `${one.label}: ${one.attention}`;
    text(tags, [one.label !== one.name && one.name, captures(one.tags)].filter(Boolean).join(", "));
    status.update(one.attention, one.learned);
    const needs = calm(one.incident, one.newest_s) ? "no longer in alarm; the incident closes if that lasts" : MEANS[one.attention];
    const which = one.incident?.sensors.length ? `: ${one.incident.sensors.slice(0, 2).map(blame).join(", ")}` : "";
    const told = one.unconfirmed && one.attention === "changed" && !one.incident; // by its card
    const change = one.unconfirmed ? "" : changes(one);
    text(means, [one.frozen && one.attention !== "frozen" && "Frozen.", !told && `${needs}${which}.`, change && `${change}.`, doubts(one.sensors)].filter(Boolean).join(" "));
    facts.level.level(one.level, one.score);
    facts.sensors.update(String(one.sensors.length));
    facts.readings.update(count(one.readings));
    facts.newest.update(moment(one.newest_s));
    text(account, one.account);
    newest_s = one.newest_s;
    answers.update(one);
    const card = only(incident, one.incident ? "open" : "none", () => (one.incident ? incidentCard(id) : null));
    if (one.incident) card.update(one.incident, one.newest_s);
    const waiting = only(unconfirmed, one.unconfirmed ? "waiting" : "none", () => (one.unconfirmed ? unconfirmedCard() : null));
    if (one.unconfirmed) waiting.update(one);
    changed = one.changed;
    const grouped = [...one.sensors].sort((first, second) => !second.group - !first.group || first.group.localeCompare(second.group));
    list(table, grouped.flatMap((sensor, at) => (sensor.group && sensor.group !== grouped[at - 1]?.group ? [{ heading: sensor.group }, sensor] : [sensor])), (item) => item.sensor ?? `group ${item.heading}`, (item) => (item.heading ? groupHeading(item.heading) : sensorRow()));
    place.dataset.ready = "true"; // before it is drawn: what is hidden has no width
    arrange();
    if (!isLive()) past.refresh(newest_s);
    if (Date.now() >= agedAgain) {
      agedAgain = Date.now() + AGED_MS;
      read(`${address}/ageing`).then((aged) => ageing.update(aged.sensors), () => { agedAgain = 0; });
    }
  }

  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const redraw = () => {
    end();
    draw();
    past.redraw();
  };
  scheme.addEventListener("change", redraw);
  return {
    refresh,
    close() {
      scheme.removeEventListener("change", redraw);
      past.close();
      end();
    },
  };
}
