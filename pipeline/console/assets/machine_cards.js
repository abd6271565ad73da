// A machine of a short list: what it needs, why, and the course of its level.
import { pageOf } from "./address.js";
import { attribute, h, text } from "./dom.js";
import { blame, calm, captures, changes, doubts, duration, flags, level, many, MEANS, moment, pill, showLevel, TOP } from "./format.js";

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

export function row(machine) {
  const status = pill(machine.attention, machine.learned);
  const flag = h("span", { class: "flag" });
  const name = h("a", { class: "name", href: pageOf(machine.id) }, machine.label);
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
    text(flag, flags(one) || calm(incident, one.newest_s));
    text(since, incident ? `for ${duration(one.newest_s - incident.started_s)}` : "");
    text(from, incident ? `since ${moment(incident.started_s)}` : "");
    const change = changes(one);
    text(sensor, incident ? incident.sensors.slice(0, 2).map(blame).join(", ") : change);
    const label = incident?.class ? `${incident.class} (${Math.round(incident.confidence * 100)} % confidence). ` : "";
    const says = incident ? `${label}${incident.why}.` : one.attention === "ready" || (one.attention === "silent" && one.quiet) ? "" : `${MEANS[one.attention]}.`;
    text(why, [says, incident && change && `${change}.`, doubts(one.bad)].filter(Boolean).join(" "));
    showLevel(peak, incident ? incident.peak_level : one.level, incident ? incident.peak : one.score);
    text(peakSays, incident ? `highest; now ${level(one.level)}` : many(one.sensors, "sensor"));
    course.update(one);
    text(newest, moment(one.newest_s));
  };
  return element;
}
