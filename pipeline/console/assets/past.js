// What a machine did between two times: charts with one cursor, marks of incidents and commands, and all of it as CSV.
// What is shown is in `view` (see times.js) and stays, whatever comes in meanwhile; only a span that ends with the
// newest reading moves on with it.
import { apiOf, incidentPageOf } from "./address.js";
import { LATE, read, Refused } from "./api.js";
import { attribute, h, list, text } from "./dom.js";
import { count, NO_END, pill } from "./format.js";
import { courseTable, download, iso } from "./files.js";
import { pastLevel, pastSensor } from "./past_charts.js";
import { SPANS, stamp, width, zone } from "./times.js";

const WAIT_MS = 25_000;
const LEAST_S = 2; // between two looks at a span that goes on
const SHORTEST_S = 0.01; // that can be zoomed to
const EARLIEST_S = 0;

// `changed(view)`: somebody has zoomed or moved. `home`: what a zoom is reset to, where it is not a span.
export function pastView(id, view, { changed, sensors = () => [], home = null }) {
  const says = h("p", { class: "muted small", id: "past-says", role: "status" });
  const wrong = h("p", { class: "empty bad-text", role: "alert", hidden: true });
  const cursor = h("span", { class: "number muted small", id: "past-cursor" });
  const button = (title, words, act) => h("button", { type: "button", title, onclick: act }, words);
  const reset = button("Show the whole time again", "Reset zoom", () => change(home ?? base));
  const save = button("What is shown, a row per bucket", "Export CSV", () => saveTable());
  const moves = h(
    "div",
    { class: "segments", role: "group", "aria-label": "Move in time" },
    button("Earlier", "← Earlier", () => move(-0.5, 1)),
    button("Later", "Later →", () => move(0.5, 1)),
    button("Zoom in", "+", () => move(0, 0.5)),
    button("Zoom out", "−", () => move(0, 2)),
  );
  moves.children[2].setAttribute("aria-label", "Zoom in");
  moves.children[3].setAttribute("aria-label", "Zoom out");
  const charts = h("div", { id: "past-charts" });
  const levelPlace = h("section", { class: "card chart" });
  const sensorPlaces = h("div", { class: "grid" });
  const marks = h("ul", { class: "marks", id: "past-marks" });
  const element = h("div", { class: "past", id: "past" }, h("div", { class: "bar tools" }, says, h("div", { class: "choices" }, moves, reset, save)), wrong, cursor, charts, h("section", { class: "card" }, h("h2", {}, "Incidents and commands in this time"), marks));
  charts.append(levelPlace, sensorPlaces);
  const state = { course: null, utc: view.utc, zoomTo, cursorAt };
  let drawn = { key: "", list: [] };
  let asked = { key: "", newest_s: 0 };
  let turn = 0;
  let waiting = false; // for the answer to what was asked last
  let base = null; // a time of one's own, before it was zoomed

  const bounds = (newest_s) => (view.from === null ? { from: newest_s + 1 - SPANS[view.span][0], to: newest_s + 1 } : { from: view.from, to: view.to });

  function cursorAt(seconds) {
    text(cursor, seconds === null ? "" : `${stamp(seconds, view.utc)} ${zone(view.utc)}`);
  }

  function change(next) {
    Object.assign(view, next ?? { from: null, to: null });
    changed(view);
    refresh(asked.newest_s);
  }

  function zoomTo(from, to) {
    if (from === null) change(home ?? base);
    else if (to - from >= SHORTEST_S) {
      if (!view.span) base ??= { from: view.from, to: view.to };
      change({ from: Math.max(from, EARLIEST_S), to });
    }
  }

  function move(by, times) {
    if (!state.course) return;
    const { from, to } = bounds(asked.newest_s);
    const half = ((to - from) * times) / 2;
    const middle = (from + to) / 2 + by * (to - from);
    zoomTo(Math.max(middle - half, EARLIEST_S), middle + half);
  }

  function saveTable() {
    const { from_s, to_s } = state.course;
    download(`${decodeURIComponent(id.split(";")[0])}_${iso(from_s)}_${iso(to_s)}.csv`, "text/csv", courseTable(state.course));
  }

  // Ask, where something else is to be shown or something new may have come in.
  async function refresh(newest_s) {
    const { from, to } = bounds(newest_s);
    const names = sensors();
    const key = JSON.stringify([view.span, view.from, view.to, names]);
    const goesOn = newest_s - asked.newest_s >= Math.max(LEAST_S, (state.course?.bucket_s ?? 0) / 2) && to > asked.newest_s;
    // One question at a time: a database slower than the looks would never be heard to the end.
    if (!newest_s || (key === asked.key && (waiting || !goesOn))) {
      if (!drawn.list.length) draw();
      return;
    }
    asked = { key, newest_s };
    waiting = true;
    turn += 1;
    const mine = turn;
    const query = new URLSearchParams([["from", from.toFixed(3)], ["to", to.toFixed(3)], ...names.map((name) => ["sensor", name])]);
    element.setAttribute("aria-busy", "true");
    try {
      const course = await read(`${apiOf(id)}/history?${query}`, WAIT_MS);
      if (mine !== turn) return;
      waiting = false;
      state.course = course;
      text(wrong, "");
      draw();
    } catch (error) {
      if (mine !== turn) return;
      waiting = false;
      asked = { key: "", newest_s }; // again with the next look
      if (!(error instanceof Refused)) throw error;
      state.course = null;
      text(wrong, `The past cannot be shown: ${error.message}.${error.message === LATE ? " Choose a shorter time." : ""}`);
    }
    element.removeAttribute("aria-busy");
    attribute(wrong, "hidden", wrong.textContent ? null : "");
    for (const one of [charts, marks.parentElement, says, save]) attribute(one, "hidden", state.course ? null : "");
  }

  function build(names) {
    const key = JSON.stringify([names, view.utc]);
    if (drawn.key === key) return;
    end();
    state.utc = view.utc;
    levelPlace.replaceChildren();
    sensorPlaces.replaceChildren(...names.map(() => h("section", { class: "card chart" })));
    drawn = { key, list: [pastLevel(levelPlace, state), ...names.map((name, at) => pastSensor(sensorPlaces.children[at], name, state))] };
  }

  function draw() {
    if (!state.course || !element.isConnected || element.hidden) return; // what is hidden has no width
    const { course } = state;
    for (const one of [charts, marks.parentElement, says]) attribute(one, "hidden", null);
    build(Object.keys(course.sensors));
    for (const chart of drawn.list) chart.update();
    const points = course.score.points.reduce((sum, one) => sum + (one ?? 0), 0);
    const found = points ? `${count(points)} scores in buckets of ${width(course.bucket_s)}, from ${course.database}` : `nothing is recorded of this time in ${course.database}`;
    text(says, `${stamp(course.from_s, view.utc)} – ${stamp(course.to_s, view.utc)}, times in ${zone(view.utc)}; ${found}.${course.incomplete ? ` Incidents may be missing: ${course.incomplete}.` : ""}`);
    const whole = home ?? base;
    const zoomed = whole ? view.from !== whole.from || view.to !== whole.to : view.span && view.from !== null;
    attribute(reset, "hidden", zoomed ? null : "");
    listMarks(course);
    charts.dataset.from = String(course.from_s);
    charts.dataset.to = String(course.to_s);
    charts.dataset.bucket = String(course.bucket_s);
  }

  function listMarks(course) {
    const items = [
      ...course.incidents.map((one) => ({ key: `i${one.number}`, at: one.started_s, incident: one })),
      ...course.commands.map((one) => ({ key: `c${one.time_s}${one.verb}`, at: one.time_s, command: one })),
    ].sort((one, other) => one.at - other.at);
    list(marks, items, (one) => one.key, (one) => {
      const time = h("span", { class: "number muted" });
      const what = h("span", {});
      const row = h("li", {}, time, one.incident ? pill(one.incident.severity) : h("span", { class: "pill command" }, "▼ command"), what);
      row.update = ({ at, incident, command }) => {
        text(time, stamp(at, view.utc));
        const words = incident ? `incident ${incident.number}: ${incident.sensors}, ${incident.state === "open" ? "open" : incident.ended_s ? `until ${stamp(incident.ended_s, view.utc)}` : NO_END}` : `${command.verb} ${command.argument}`.trim() + (command.by ? `, by ${command.by}` : "");
        if (what.textContent !== words) what.replaceChildren(incident ? h("a", { href: incidentPageOf(incident.id, incident.number) }, words) : words);
      };
      return row;
    });
    if (!items.length) marks.replaceChildren(h("li", { class: "muted" }, "None."));
  }

  function end() {
    for (const chart of drawn.list) chart.end();
    drawn = { key: "", list: [] };
  }

  return {
    element,
    refresh,
    redraw() {
      end();
      draw();
    },
    // Another time was chosen.
    begin() {
      base = null;
    },
    close() {
      turn += 1;
      end();
    },
  };
}
