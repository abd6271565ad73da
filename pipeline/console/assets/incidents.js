// Open incidents of all machines with their commands, past incidents, and the operator log.
import { incidentPageOf, pageOf, remember } from "./address.js";
import { read, tell } from "./api.js";
import { buttons, learnClasses } from "./commands.js";
import { attribute, h, list, text } from "./dom.js";
import { blame, captures, changes, closedBy, duration, level, moment, percent, pill, toConfirm } from "./format.js";
import { incidentFilter } from "./incident_filter.js";
import { row, table } from "./tables.js";
import { zone } from "./times.js";

const PAGE = 50;

const link = (id, words) => h("a", { class: "name", href: pageOf(id) }, words);
const incidentLink = (id, number) => h("a", { class: "name", href: incidentPageOf(id, number) }, `incident ${number}`);

function openRow(item, refresh, picked) {
  const pick = h("input", { type: "checkbox", "aria-label": `select incident ${item.incident.number} of ${item.machine}`, onchange: () => { picked.toggle(item, pick.checked); } });
  const status = pill(item.incident.severity);
  const sensors = h("span", { class: "strong" });
  const why = h("span", { class: "muted" });
  const when = h("span", { class: "muted small number" });
  const hint = h("p", {}, toConfirm(false));
  const answers = buttons(item.id, refresh);
  const element = h("li", { class: "card" }, h("div", { class: "bar" }, pick, status, link(item.id, item.label), incidentLink(item.id, item.incident.number), h("span", { class: "muted small" }, captures(item.tags)), when), h("p", {}, sensors, " ", why), hint, answers);
  element.update = ({ incident, group }) => {
    attribute(pick, "hidden", incident.acknowledged ? "" : null);
    pick.checked = picked.has(item);
    element.className = `card incident ${incident.severity}`;
    status.update(incident.severity);
    text(sensors, incident.sensors.slice(0, 3).map(blame).join(", "));
    text(why, `${incident.why}${incident.class ? ` · ${incident.class}, confidence ${percent(incident.confidence)}` : ""}`);
    text(when, `since ${moment(incident.started_s)}, for ${duration(incident.newest_s - incident.started_s)}, highest level ${level(incident.peak_level)}${incident.acknowledged ? ", acknowledged" : ""}${incident.unconfirmed ? ", unconfirmed" : ""}${group ? `, group ${group}` : ""}`);
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
    text(when, [`incident ${one.unconfirmed}`, past && `start ${moment(past.started_s)}, duration ${duration((past.ended_s ?? past.time_s) - past.started_s)}, highest level ${level(past.peak_level)}`].filter(Boolean).join(", "));
    text(why, past ? past.why : "");
    text(what, toConfirm(another));
  };
  return element;
}

function titled(title, words) {
  const none = h("p", { class: "muted" });
  const its = table(title, words);
  return { ...its, none, section: h("section", { class: "card table" }, h("h2", {}, title), none, its.element) };
}

// The open incidents that were chosen to be acknowledged at once.
function picking(done) {
  const chosen = new Map();
  const key = (item) => `${item.id}#${item.incident.number}`;
  let shown = [];
  const all = h("button", { type: "button", onclick: () => {
    for (const item of shown) chosen.set(key(item), item);
    done();
  } }, "Select all");
  const none = h("button", { type: "button", class: "quiet", onclick: () => {
    chosen.clear();
    done();
  } }, "Clear selection");
  const acknowledge = h("button", { type: "button", class: "primary", onclick: async () => {
    acknowledge.disabled = true;
    for (const item of [...chosen.values()]) {
      if (!(await tell(item.id, "ack"))) break; // it has said why
      chosen.delete(key(item));
    }
    acknowledge.disabled = false;
    done();
  } });
  const element = h("div", { class: "buttons", role: "group", "aria-label": "Several incidents" }, all, none, acknowledge);
  return {
    element,
    has: (item) => chosen.has(key(item)),
    toggle(item, on) {
      if (on) chosen.set(key(item), item);
      else chosen.delete(key(item));
      this.update(shown);
    },
    update(open) {
      shown = open.filter((item) => !item.incident.acknowledged);
      const there = new Set(shown.map(key));
      for (const one of chosen.keys()) if (!there.has(one)) chosen.delete(one);
      attribute(element, "hidden", shown.length > 1 ? null : "");
      attribute(none, "hidden", chosen.size ? null : "");
      attribute(acknowledge, "hidden", chosen.size ? null : "");
      text(acknowledge, `Acknowledge ${chosen.size}`);
    },
  };
}

function groupRow() {
  const what = h("span", {});
  const element = h("li", { class: "card" }, h("span", { class: "pill changed" }, "group"), " ", what);
  element.update = (one) => {
    const where = captures(one.tags);
    text(what, `Group ${one.group}: ${one.incidents} incidents on ${one.machines} machines${where ? ` (${where})` : ""} began within ${duration(one.to_s - one.from_s)}, from ${moment(one.from_s)}${one.open ? `; ${one.open} open` : ""}. Look for a common cause: power, air, network, material.`);
  };
  return element;
}

export function incidents(place, query) {
  let offset = Math.max(Number.parseInt(query.get("offset") ?? "0", 10) || 0, 0);
  const filter = incidentFilter(query, () => turnTo(0));
  const picked = picking(() => refresh());
  const open = h("ul", { class: "incidents", id: "open" });
  const waiting = h("ul", { class: "incidents", id: "unconfirmed" });
  const groups = h("ul", { class: "incidents", id: "groups" });
  const calm = h("p", { class: "empty" }, "No open incident. Machines in alarm appear here with the cause and the commands.");
  const past = titled("Past incidents", ["Machine", "No.", "Start", "Duration", "Severity", "Highest level", "Sensors", "Class", "Closed by", "Group"]);
  const said = titled("Operator log", ["Machine", "Time", "Command", "By", "Channel"]);
  const more = h("p", { class: "muted", role: "status", id: "more", hidden: true });
  const incomplete = h("p", { class: "bad-text", role: "status", hidden: true });
  const newer = h("button", { type: "button", onclick: () => turnTo(offset - PAGE) }, "← Newer");
  const older = h("button", { type: "button", onclick: () => turnTo(offset + PAGE) }, "Older →");
  const which = h("span", { class: "muted number" });
  const pages = h("div", { class: "buttons", role: "group", "aria-label": "Pages of past incidents" }, newer, which, older);
  past.section.append(pages);
  text(said.none, "No commands yet.");
  place.replaceChildren(h("div", { class: "bar" }, h("h1", {}, "Incidents"), h("span", { class: "muted small" }, `Times in ${zone(false)}`)), filter.element, incomplete, more, groups, picked.element, open, calm, waiting, past.section, said.section);

  function turnTo(at) {
    offset = Math.max(at, 0);
    remember(new URLSearchParams([...filter.query(), ...(offset ? [["offset", offset]] : [])]));
    refresh();
  }

  async function refresh() {
    const wanted = new URLSearchParams([...filter.query(), ["offset", offset], ["limit", PAGE]]);
    const found = await read(`/api/incidents?${wanted}`);
    learnClasses([...found.choices.classes, ...found.open.map((one) => one.incident.class)]);
    filter.update(found.choices);
    document.title = `Incidents (${found.open_found})`;
    text(more, [[found.open_found, found.open.length, "open"], [found.unconfirmed_found, found.unconfirmed.length, "unconfirmed"]].filter(([all, here]) => all > here).map(([all, here, which]) => `${here} of ${all} ${which} incidents are shown; filter for the others.`).join(" "));
    attribute(more, "hidden", more.textContent ? null : "");
    text(incomplete, found.incomplete ? `Only what happened since the service started is shown: ${found.incomplete}.` : found.cut ? "Only the newest incidents are shown: the database may have more." : "");
    attribute(incomplete, "hidden", incomplete.textContent ? null : "");
    picked.update(found.open);
    list(groups, found.groups, (one) => String(one.group), groupRow);
    list(open, found.open, (one) => `${one.id}#${one.incident.number}`, (one) => openRow(one, refresh, picked));
    const known = new Map(found.past.map((one) => [`${one.id}#${one.number}`, one]));
    const key = (one) => `${one.id}#${one.unconfirmed}`;
    const still = new Set(found.open.map((one) => `${one.id}#${one.incident.number}`));
    const alarmed = new Set(found.open.map((one) => one.id));
    const closed = found.unconfirmed.filter((one) => !still.has(key(one)));
    list(waiting, closed.map((one) => ({ ...one, past: known.get(key(one)), another: alarmed.has(one.id) })), key, (one) => unconfirmedRow(one, refresh));
    text(calm, filter.query().length ? "No open incident matches the filter." : "No open incident. Machines in alarm appear here with the cause and the commands.");
    attribute(calm, "hidden", found.open.length ? "" : null);
    text(past.none, filter.query().length ? "None matches the filter." : "None yet.");
    attribute(past.none, "hidden", found.past.length ? "" : null);
    attribute(past.element, "hidden", found.past.length ? null : "");
    attribute(said.none, "hidden", found.said.length ? "" : null);
    attribute(said.element, "hidden", found.said.length ? null : "");
    attribute(pages, "hidden", found.found > PAGE || offset ? null : "");
    newer.disabled = !offset;
    older.disabled = offset + PAGE >= found.found;
    text(which, `${Math.min(offset + 1, found.found)} to ${Math.min(offset + PAGE, found.found)} of ${found.found}`);
    list(past.body, found.past, (one) => `${one.id}#${one.number}`, (one) => {
      const its = row(h("th", { scope: "row" }, link(one.id, one.machine)), 9);
      its.children[1].append(h("a", { href: incidentPageOf(one.id, one.number), "aria-label": `incident ${one.number} of ${one.machine}` }, one.number));
      its.update = (now) => its.fill([now.number, moment(now.started_s), now.ended_s ? duration(now.ended_s - now.started_s) : "–", now.severity, level(now.peak_level), now.sensors, now.class || "–", closedBy(now) || "–", now.group ? String(now.group) : "–"]);
      return its;
    });
    list(said.body, found.said, (one) => `${one.id}#${one.time_s}#${one.verb}`, (one) => {
      const its = row(h("th", { scope: "row" }, link(one.id, one.machine)), 4);
      its.update = (now) => its.fill([moment(now.time_s), `${now.verb} ${now.argument}`.trim(), now.by || "–", now.via]);
      return its;
    });
    place.dataset.ready = "true";
  }
  return { refresh, close() {} };
}
