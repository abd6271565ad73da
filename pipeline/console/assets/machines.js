// All machines, those first that need attention.
import { pageOf, remember } from "./address.js";
import { read } from "./api.js";
import { attribute, h, list, only, text } from "./dom.js";
import { ATTENTION, blame, calm, captures, changes, doubts, duration, level, LEVEL_MEANS, MEANS, moment, pill, showLevel, TOP } from "./format.js";

const PAGE = 100;
const SVG = "http://www.w3.org/2000/svg";

const height = (value) => 23 - (value / TOP) * 22;

function spark() {
  const line = document.createElementNS(SVG, "polyline");
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 120 24");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("class", "spark");
  picture.setAttribute("aria-hidden", "true");
  const marks = ["warn", "crit"].map((kind) => {
    const mark = document.createElementNS(SVG, "line");
    for (const [name, value] of Object.entries({ x1: 0, x2: 120, class: kind })) mark.setAttribute(name, value);
    return mark;
  });
  picture.append(...marks, line);
  picture.update = ({ course, warning_level, critical_level }) => {
    [warning_level, critical_level].forEach((one, at) => {
      for (const name of ["y1", "y2"]) attribute(marks[at], name, height(one));
    });
    const step = 120 / Math.max(course.length - 1, 1);
    line.setAttribute("points", course.map((one, at) => `${(at * step).toFixed(1)},${height(one).toFixed(1)}`).join(" "));
  };
  return picture;
}

function row(machine) {
  const status = pill(machine.attention, machine.learned);
  const flag = h("span", { class: "flag" });
  const name = h("a", { class: "name", href: pageOf(machine.id) }, machine.name);
  const tags = h("span", { class: "muted small" }, captures(machine.tags));
  const since = h("span", { class: "number" });
  const from = h("span", { class: "muted small number" });
  const sensor = h("span", { class: "strong" });
  const why = h("span", { class: "muted small" });
  const peak = h("span", { class: "number strong" });
  const peakSays = h("span", { class: "muted small" });
  const course = spark();
  const newest = h("span", { class: "muted small number" });
  const element = h(
    "li",
    { class: "machine" },
    h("div", { class: "c-status" }, status, flag),
    h("div", { class: "c-name" }, name, tags),
    h("div", { class: "c-since" }, since, from),
    h("div", { class: "c-why" }, sensor, why),
    h("div", { class: "c-score" }, peak, peakSays),
    h("div", { class: "c-course" }, course, newest),
  );
  element.update = (one) => {
    status.update(one.attention, one.learned);
    element.className = `machine ${one.attention}`;
    const incident = one.incident;
    text(flag, incident?.snoozed_until_s ? "snoozed" : incident?.acknowledged ? "acknowledged" : calm(incident, one.newest_s));
    text(since, incident ? `for ${duration(one.newest_s - incident.started_s)}` : "");
    text(from, incident ? `since ${moment(incident.started_s)}` : "");
    const change = changes(one);
    text(sensor, incident ? incident.sensors.slice(0, 2).map(blame).join(", ") : change);
    const label = incident?.class ? `${incident.class} (${Math.round(incident.confidence * 100)} % confidence). ` : "";
    const says = incident ? `${label}${incident.why}.` : one.attention === "ready" ? "" : `${MEANS[one.attention]}.`;
    text(why, [says, incident && change && `${change}.`, doubts(one.bad)].filter(Boolean).join(" "));
    showLevel(peak, incident ? incident.peak_level : one.level, incident ? incident.peak : one.score);
    text(peakSays, incident ? `highest; now ${level(one.level)}` : `${one.sensors} sensor${one.sensors === 1 ? "" : "s"}`);
    course.update(one);
    text(newest, moment(one.newest_s));
  };
  return element;
}

const empty = () =>
  h(
    "div",
    { class: "empty" },
    h("h2", {}, "No machine yet"),
    h("p", {}, "Machines appear with their first reading. Publish one number to the broker:"),
    h("pre", {}, "mosquitto_pub -t plant/press-1/temp -m 71.3"),
    h("p", {}, "or try it with recorded machines: ", h("code", {}, "spikewatch demo"), ". The subscribed topics are in the ", h("a", { href: "#/configuration" }, "configuration"), ", the connection to the broker is shown under ", h("a", { href: "#/service" }, "service"), "."),
  );

export function machines(place, query) {
  let attention = query.get("attention") in ATTENTION ? query.get("attention") : "";
  let search = query.get("search") ?? "";
  let limit = PAGE;
  const summary = h("div", { class: "chips", role: "group", "aria-label": "Show only machines that are" });
  const rows = h("ul", { class: "machines", id: "machines" });
  const headline = h("h1", {}, "Machines");
  const hint = h("div", {});
  const more = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => { limit += PAGE; refresh(); } }, "Show more");
  const find = h("input", { type: "search", placeholder: "Find a machine", "aria-label": "Find a machine by name", value: search, oninput: (event) => { search = event.target.value; look(); } });
  const head = h(
    "div",
    { class: "machine heading", "aria-hidden": "true" },
    ...["Status", "Machine", "Since", "Cause", "Level", "Trend"].map((word) => h("div", word === "Level" ? { title: LEVEL_MEANS } : {}, word)),
  );
  place.replaceChildren(h("div", { class: "bar" }, headline, summary, find), head, rows, hint, more);

  function chip([name]) {
    const number = h("b", { class: "number" });
    const glyph = h("span", { class: "glyph", "aria-hidden": "true" }, ATTENTION[name][0]);
    const element = h("button", { type: "button", title: MEANS[name], onclick: () => { attention = attention === name ? "" : name; look(); } }, glyph, number, ` ${ATTENTION[name][1]}`);
    element.update = ([, many]) => {
      element.className = `chip ${name}`;
      text(number, String(many));
      attribute(element, "aria-pressed", String(attention === name));
    };
    return element;
  }

  const chosen = () => ({ ...(search && { search }), ...(attention && { attention }) });

  // What is looked for is in the address, so that it can be sent.
  function look() {
    remember(new URLSearchParams(chosen()));
    refresh();
  }

  async function refresh() {
    const found = await read(`/api/machines?${new URLSearchParams({ limit, ...chosen() })}`);
    const chips = Object.entries(found.attention).filter(([name, many]) => many || name === attention);
    list(summary, chips, ([name]) => name, chip);
    const urgent = found.attention.critical + found.attention.warning;
    document.title = urgent ? `(${urgent}) Spikewatch` : "Spikewatch";
    list(rows, found.machines, (one) => one.id, row);
    attribute(head, "hidden", found.machines.length ? null : "");
    attribute(more, "hidden", found.found > found.machines.length ? null : "");
    text(more, `Show more (${found.machines.length} of ${found.found})`);
    const state = found.total === 0 ? "empty" : found.found === 0 ? "none" : "some";
    only(hint, state, () => (state === "empty" ? empty() : state === "none" ? h("p", { class: "empty" }, "No machine matches. Clear the search or the filter.") : null));
    place.dataset.ready = "true";
  }
  return { refresh, close() {} };
}
