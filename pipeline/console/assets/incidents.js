// Open incidents of all machines with their commands, past incidents, and the operator log.
import { pageOf } from "./address.js";
import { read } from "./api.js";
import { buttons, learnClasses } from "./commands.js";
import { attribute, h, list, text } from "./dom.js";
import { blame, captures, changes, duration, moment, percent, pill, score, toConfirm } from "./format.js";

const link = (id, words) => h("a", { class: "name", href: pageOf(id) }, words);

function openRow(item, refresh) {
  const status = pill(item.incident.severity);
  const sensors = h("span", { class: "strong" });
  const why = h("span", { class: "muted" });
  const when = h("span", { class: "muted small number" });
  const hint = h("p", {}, toConfirm(false));
  const answers = buttons(item.id, refresh);
  const element = h("li", { class: "card" }, h("div", { class: "bar" }, status, link(item.id, item.machine), h("span", { class: "muted small" }, captures(item.tags)), when), h("p", {}, sensors, " ", why), hint, answers);
  element.update = ({ incident }) => {
    element.className = `card incident ${incident.severity}`;
    status.update(incident.severity);
    text(sensors, incident.sensors.slice(0, 3).map(blame).join(", "));
    text(why, `${incident.why}${incident.class ? ` · ${incident.class}, confidence ${percent(incident.confidence)}` : ""}`);
    text(when, `since ${moment(incident.started_s)}, for ${duration(incident.newest_s - incident.started_s)}, peak ${score(incident.peak)}${incident.acknowledged ? ", acknowledged" : ""}${incident.unconfirmed ? ", unconfirmed" : ""}`);
    attribute(hint, "hidden", incident.unconfirmed ? null : "");
    answers.update({ incident, has_baseline: false, frozen: false });
  };
  return element;
}

// Of an incident that has closed.
function unconfirmedRow(item, refresh) {
  const which = h("span", { class: "strong" });
  const when = h("span", { class: "muted small number" });
  const why = h("span", { class: "muted" });
  const what = h("p", {});
  const answers = buttons(item.id, refresh, ["normal", "repaired"]);
  const element = h("li", { class: "card incident changed" }, h("div", { class: "bar" }, pill("changed"), link(item.id, item.machine), h("span", { class: "muted small" }, captures(item.tags)), when), h("p", {}, which, " ", why), what, answers);
  element.update = ({ past, another, ...one }) => {
    text(which, changes(one));
    text(when, [`incident ${one.unconfirmed}`, past && `start ${moment(past.started_s)}, duration ${duration(past.ended_s - past.started_s)}, peak ${score(past.peak)}`].filter(Boolean).join(", "));
    text(why, past ? past.why : "");
    text(what, toConfirm(another));
  };
  return element;
}

// What closed an incident, where no command did.
const CLOSED = { calm: "alarm cleared" };

function tableOf(title, words) {
  const body = h("tbody", {});
  const none = h("p", { class: "muted" });
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...words.map((word) => h("th", { scope: "col" }, word)))), body);
  const element = h("section", { class: "card table" }, h("h2", {}, title), none, h("div", { class: "scroll" }, table));
  return { element, body, none, table };
}

function cells(first, many) {
  const all = Array.from({ length: many }, () => h("td", { class: "number" }));
  const element = h("tr", {}, first, ...all);
  element.fill = (words) => words.forEach((word, at) => text(all[at], word));
  return element;
}

export function incidents(place) {
  const open = h("ul", { class: "incidents", id: "open" });
  const waiting = h("ul", { class: "incidents", id: "unconfirmed" });
  const calm = h("p", { class: "empty" }, "No open incident. Machines in alarm appear here with the cause and the commands.");
  const past = tableOf("Past incidents", ["Machine", "No.", "Start", "Duration", "Severity", "Peak score", "Sensors", "Class", "Closed by"]);
  const said = tableOf("Operator log", ["Machine", "Time", "Command", "By", "Channel"]);
  text(past.none, "None yet.");
  text(said.none, "No commands yet.");
  place.replaceChildren(h("h1", {}, "Incidents"), open, calm, waiting, past.element, said.element);

  async function refresh() {
    const found = await read("/api/incidents");
    learnClasses([...found.past.map((one) => one.class), ...found.open.map((one) => one.incident.class)]);
    document.title = `Incidents (${found.open.length})`;
    list(open, found.open, (one) => `${one.id}#${one.incident.number}`, (one) => openRow(one, refresh));
    const known = new Map(found.past.map((one) => [`${one.id}#${one.number}`, one]));
    const key = (one) => `${one.id}#${one.unconfirmed}`;
    const still = new Set(found.open.map((one) => `${one.id}#${one.incident.number}`));
    const alarmed = new Set(found.open.map((one) => one.id));
    const closed = found.unconfirmed.filter((one) => !still.has(key(one)));
    list(waiting, closed.map((one) => ({ ...one, past: known.get(key(one)), another: alarmed.has(one.id) })), key, (one) => unconfirmedRow(one, refresh));
    attribute(calm, "hidden", found.open.length ? "" : null);
    attribute(past.none, "hidden", found.past.length ? "" : null);
    attribute(past.table, "hidden", found.past.length ? null : "");
    attribute(said.none, "hidden", found.said.length ? "" : null);
    attribute(said.table, "hidden", found.said.length ? null : "");
    list(past.body, found.past, (one) => `${one.id}#${one.number}`, (one) => {
      const row = cells(h("th", { scope: "row" }, link(one.id, one.machine)), 8);
      row.update = (now) => row.fill([now.number, moment(now.started_s), duration(now.ended_s - now.started_s), now.severity, score(now.peak), now.sensors, now.class || "–", CLOSED[now.reason] ?? (now.reason || "–")]);
      return row;
    });
    list(said.body, found.said, (one) => `${one.id}#${one.time_s}#${one.verb}`, (one) => {
      const row = cells(h("th", { scope: "row" }, link(one.id, one.machine)), 4);
      row.update = (now) => row.fill([moment(now.time_s), `${now.verb} ${now.argument}`.trim(), now.by || "–", now.via]);
      return row;
    });
    place.dataset.ready = "true";
  }
  return { refresh, close() {} };
}
