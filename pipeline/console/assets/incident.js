// One incident: before, during and after, the contributing sensors, who did what and when, and others like it.
import { incidentApiOf, incidentPageOf, pageOf, remember } from "./address.js";
import { read } from "./api.js";
import { buttons, learnClasses } from "./commands.js";
import { attribute, h, list, text } from "./dom.js";
import { csv, download, iso } from "./files.js";
import { captures, closedBy, duration, number, percent, pill, showLevel, toConfirm } from "./format.js";
import { pastView } from "./past.js";
import { row, table } from "./tables.js";
import { queryOf, stamp, viewOf, zone, zones } from "./times.js";

const AROUND = [1800, 7 * 86_400]; // seconds that are shown before and after, at least and at most
const AGAIN_MS = { open: 2000, closed: 10_000, unknown: 10_000 }; // after which an incident is asked for again
const SAYS = { ack: "acknowledged", label: "labelled it", normal: "confirmed this as normal", repaired: "reported the repair", freeze: "switched learning off", resume: "switched learning on", snooze: "snoozed it", rollback: "returned to the old baseline", import: "imported what a microcontroller has learned" };

const incidentName = (one) => `${one.machine}, incident ${one.number}`;

// As one table, for a spreadsheet.
function tableOf(one) {
  const head = ["record", "time", "what", "by", "channel", "sensor", "share", "direction", "value", "expected", "low", "high"];
  const base = ["incident", iso(one.started_s), `${one.machine} ${one.number} ${one.severity}: ${one.why}`];
  return csv([
    head,
    base,
    ...one.blamed.map((part) => ["sensor", iso(part.time_s), "", "", "", part.sensor, part.share, part.direction, part.value, part.expected, part.low, part.high]),
    ...one.timeline.map((step) => [step.kind, iso(step.time_s), step.says ?? `${step.verb} ${step.argument}`.trim(), step.by ?? "", step.via ?? ""]),
    ...one.similar.map((other) => ["similar", iso(other.started_s), `${incidentName(other)} ${other.severity}, similarity ${other.alike}`]),
  ]);
}

export function incident(place, path, query) {
  const cut = path.lastIndexOf("/");
  const [id, its] = cut < 0 ? [path, ""] : [path.slice(0, cut), path.slice(cut + 1)];
  const title = h("h1", {}, "Incident");
  const tags = h("span", { class: "muted" });
  const status = pill("warning");
  const facts = Object.fromEntries(["status", "start", "end", "duration", "highest level", "class"].map((name) => [name, h("dd", { class: "number" })]));
  const why = h("p", { class: "why" });
  const hint = h("p", {});
  const answers = buttons(id, () => {
    again = 0;
    refresh();
  });
  const older = h("p", { class: "muted" }, "Commands apply to the open or newest incident of the machine; this is an older one.");
  const blamed = table("Contributing sensors", ["Sensor", "Share", "Direction", "Worst reading", "Expected", "Expected band", "At"], "blamed");
  const steps = h("ol", { class: "marks", id: "timeline" });
  const similar = table("Similar incidents", ["Incident", "Start", "Duration", "Severity", "Sensors", "Class", "Similarity"], "similar");
  const noneSimilar = h("p", { class: "muted" }, "No similar incident is known.");
  const kind = h("span", { class: "muted" });
  const save = (words, act) => h("button", { type: "button", onclick: act }, words);
  const view = viewOf(query);
  const zonePlace = zones((utc) => {
    view.utc = utc;
    remember(queryOf(view));
    show();
    past?.redraw();
  });
  const card = h("section", { class: "card incident", id: "incident" }, why, hint, answers, older);
  const chartPlace = h("div", {});
  let one = null;
  let past = null;
  let again = 0;

  place.replaceChildren(
    h("p", { class: "crumb" }, h("a", { href: "#/incidents" }, "← Incidents"), " · ", h("a", { href: pageOf(id) }, "Machine")),
    h("div", { class: "bar machine-bar" }, h("div", { class: "title" }, title, tags), status, h("dl", { class: "facts" }, ...Object.entries(facts).map(([name, value]) => h("div", {}, h("dt", {}, name), value)))),
    card,
    h("div", { class: "bar tools" }, h("h2", {}, "Before, during and after"), h("div", { class: "choices" }, zonePlace, save("Export incident (CSV)", () => download(`${incidentName(one)}.csv`, "text/csv", tableOf(one))), save("Export incident (JSON)", () => download(`${incidentName(one)}.json`, "application/json", JSON.stringify(one, null, 2))))),
    chartPlace,
    h("section", { class: "card table" }, h("h2", {}, "Contributing sensors"), blamed.element),
    h("section", { class: "card" }, h("h2", {}, "Timeline"), steps),
    h("section", { class: "card table" }, h("h2", {}, "Similar incidents ", kind), noneSimilar, similar.element),
  );

  function around() {
    const until = one.ended_s ?? one.time_s;
    const more = Math.min(Math.max(until - one.started_s, AROUND[0]), AROUND[1]);
    return { from: Math.floor(one.started_s - more), to: Math.ceil(until + more) };
  }

  function show() {
    if (!one) return;
    zonePlace.update(view.utc ? "utc" : "local");
    const until = one.ended_s ?? one.time_s;
    text(title, incidentName(one));
    text(tags, captures(one.tags));
    document.title = incidentName(one);
    status.update(one.severity);
    text(facts.status, one.state === "open" ? (one.acknowledged ? "open, acknowledged" : "open, unacknowledged") : [[one.state === "unknown" ? "" : "closed", closedBy(one)].filter(Boolean).join(": "), one.unconfirmed && "unconfirmed"].filter(Boolean).join(", "));
    text(facts.start, `${stamp(one.started_s, view.utc)} ${zone(view.utc)}`);
    text(facts.end, one.ended_s ? stamp(one.ended_s, view.utc) : "–");
    text(facts.duration, duration(until - one.started_s));
    showLevel(facts["highest level"], one.peak_level, one.peak || null);
    text(facts.class, one.class ? `${one.class}, confidence ${percent(one.confidence)}` : "unknown");
    text(why, one.why || one.sensors);
    attribute(hint, "hidden", one.unconfirmed ? null : "");
    text(hint, toConfirm(false));
    card.className = `card incident ${one.unconfirmed && one.state !== "open" ? "changed" : one.severity}`;
    answers.update({ answers: one.state === "open" && one.acknowledged ? one.answers.filter((verb) => verb !== "ack") : one.answers });
    attribute(answers, "hidden", one.answers.length ? null : "");
    attribute(older, "hidden", one.answers.length ? "" : null);
    list(blamed.body, one.blamed, (part) => part.sensor, (part) => {
      const its = row(h("th", { scope: "row", title: part.name === part.sensor ? null : part.sensor }, part.name, part.unit && h("span", { class: "muted" }, ` ${part.unit}`)), 6);
      its.update = (now) => its.fill([percent(now.share), now.direction || "–", number(now.value), number(now.expected), now.low === null ? "–" : `${number(now.low)} … ${number(now.high)}`, stamp(now.time_s, view.utc)]);
      return its;
    });
    list(steps, one.timeline, (step) => `${step.kind}${step.time_s}${step.verb ?? step.says}`, (step) => {
      const time = h("span", { class: "number muted" });
      const row = h("li", {}, time, step.kind === "command" ? h("span", { class: "pill command" }, "▼ command") : h("span", { class: "pill frozen" }, "incident"), h("span", {}, step.says ?? [`${step.by || "unknown person"} ${SAYS[step.verb] ?? step.verb}`, step.argument && `: ${step.argument}`, ` (${step.via})`].filter(Boolean).join("")));
      row.update = (now) => text(time, stamp(now.time_s, view.utc));
      return row;
    });
    text(kind, one.kind ? `of this machine and its kind (${one.kind})` : "of this machine");
    attribute(noneSimilar, "hidden", one.similar.length ? "" : null);
    attribute(similar.element, "hidden", one.similar.length ? null : "");
    list(similar.body, one.similar, (other) => `${other.id}#${other.number}`, (other) => {
      const its = row(h("th", { scope: "row" }, h("a", { class: "name", href: incidentPageOf(other.id, other.number) }, incidentName(other))), 6);
      its.update = (now) => its.fill([stamp(now.started_s, view.utc), now.ended_s ? duration(now.ended_s - now.started_s) : "–", now.severity, now.sensors, now.class || "–", percent(now.alike)]);
      return its;
    });
  }

  function chart() {
    if (past) return;
    if (view.from === null) Object.assign(view, around());
    view.span = "";
    const names = one.blamed.map((part) => part.sensor).slice(0, 4);
    past = pastView(id, view, { changed: () => remember(queryOf(view)), sensors: () => names, home: around() });
    chartPlace.replaceChildren(past.element);
  }

  async function refresh() {
    if (Date.now() < again) return;
    one = await read(incidentApiOf(id, its));
    again = Date.now() + AGAIN_MS[one.state];
    learnClasses([one.class]);
    place.dataset.ready = "true";
    show();
    chart();
    past.refresh(one.state === "open" ? one.time_s : (one.ended_s ?? one.time_s));
  }

  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const redraw = () => past?.redraw();
  scheme.addEventListener("change", redraw);
  return {
    refresh,
    close() {
      scheme.removeEventListener("change", redraw);
      past?.close();
    },
  };
}
