// All machines, those first that need attention: a short list in full, a long one as a table or as a heat map. What is
// shown and looked for is in the address, so that it can be sent.
import { remember } from "./address.js";
import { read, readList } from "./api.js";
import { attribute, h, list, only, segments, text } from "./dom.js";
import { machineTable } from "./machine_table.js";
import { ATTENTION, LEVEL_MEANS, MEANS, moment } from "./format.js";
import { row } from "./machine_cards.js";
import { scrolling } from "./tables.js";

const PAGE = 100;
const SHORT = 60; // machines up to which a list in full is what people want; the service has the same number
const VIEWS = { list: "List", table: "Table", heat: "Heat map" };
const SPANS = { "8h": "8 h", "1d": "1 d", "7d": "7 d" };
const SORTS = { "": "what needs attention", name: "name, A to Z", "-name": "name, Z to A", level: "level, highest first", since: "incident, newest first", "-since": "incident, oldest first", newest: "reading, newest first", "-newest": "reading, oldest first" };

const empty = () =>
  h(
    "div",
    { class: "empty" },
    h("h2", {}, "No machine yet"),
    h("p", {}, "Machines appear with their first reading. Publish one number to the broker:"),
    scrolling(h("pre", {}, "mosquitto_pub -t plant/press-1/temp -m 71.3")),
    h("p", {}, "or try it with recorded machines: ", h("code", {}, "spikewatch demo"), ". The subscribed topics are in the ", h("a", { href: "#/configuration" }, "configuration"), ", the connection to the broker is shown under ", h("a", { href: "#/service" }, "service"), "."),
  );

function choice(label, change) {
  const select = h("select", { "aria-label": label, onchange: () => change(select.value) });
  const element = h("label", { class: "choice muted small" }, label, select);
  let known = "";
  element.update = (options, value) => {
    const key = JSON.stringify(options);
    if (key !== known) select.replaceChildren(...Object.entries(options).map(([one, words]) => h("option", { value: one }, words)));
    known = key;
    select.value = value;
  };
  return element;
}

export function machines(place, query) {
  const given = (name, options, other) => (Object.hasOwn(options, query.get(name) ?? other) ? (query.get(name) ?? other) : other);
  let attention = given("attention", ATTENTION, "");
  let search = query.get("search") ?? "";
  let view = given("view", VIEWS, "");
  let span = given("cells", SPANS, "1d");
  let sort = given("sort", SORTS, "");
  let group = query.get("group") ?? "";
  let limit = PAGE;
  let usual = ""; // how so many machines are shown unless somebody says how; the service knows
  const summary = h("div", { class: "chips", role: "group", "aria-label": "Show only machines that are" });
  const rows = h("ul", { class: "machines" });
  const headline = h("h1", {}, "Machines");
  const hint = h("div", {});
  const quiet = h("p", { class: "card quiet", id: "quiet", role: "status", hidden: true });
  const more = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => { limit += PAGE; refresh(); } }, "Show more");
  const find = h("input", { type: "search", placeholder: "Find a machine", "aria-label": "Find a machine by name, site or kind", value: search, oninput: (event) => { search = event.target.value; look(); } });
  const views = segments("How machines are shown", VIEWS, (key) => { view = key; look(); });
  const spans = segments("Time that the heat map shows", SPANS, (key) => { span = key; look(); });
  const sorts = choice("Order by", (value) => { sort = value; look(); });
  const groups = choice("Group by", (value) => { group = value; look(); });
  const head = h(
    "div",
    { class: "machine heading", "aria-hidden": "true" },
    ...["Status", "Machine", "Since", "Cause", "Level", "Trend"].map((word) => h("div", word === "Level" ? { title: LEVEL_MEANS } : {}, word)),
  );
  const table = machineTable((value) => { sort = value; look(); });
  place.replaceChildren(h("div", { class: "bar" }, headline, summary, find), h("div", { class: "bar fleet-bar" }, groups, sorts, h("div", { class: "choices" }, spans, views)), quiet, head, rows, table.element, hint, more);

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

  const filter = () => ({ ...(search && { search }), ...(attention && { attention }), ...(sort && { sort }), ...(group && { group }) });
  const shown = () => view || usual;

  function look() {
    remember(new URLSearchParams({ ...filter(), ...(view && { view }), ...(shown() !== "list" && span !== "1d" && { cells: span }) }));
    table.reset();
    refresh();
  }

  // One question at a time; what was asked meanwhile is asked then.
  let asking = null;
  let again = false;
  function refresh() {
    if (asking) {
      again = true;
      return asking;
    }
    asking = ask().finally(() => {
      asking = null;
      if (!again) return;
      again = false;
      refresh();
    });
    return asking;
  }

  async function ask() {
    const wanted = JSON.stringify([filter(), view]);
    const found = await (shown() === "list"
      ? readList("/api/machines", filter(), "machines", limit)
      : read(`/api/machines?${new URLSearchParams({ ...table.wanted(), view: shown() ? "brief" : "auto", cells: span, ...filter() })}`));
    if (wanted !== JSON.stringify([filter(), view])) {
      again = true;
      return;
    }
    if (!view) usual = found.total > SHORT ? "table" : "list";
    if ((shown() === "list") !== (found.view === "full")) {
      again = true; // there are more or fewer machines now
      return;
    }
    const asList = shown() === "list";
    const chips = Object.entries(found.attention).filter(([name, many]) => many || name === attention);
    list(summary, chips, ([name]) => name, chip);
    const urgent = found.attention.critical + found.attention.warning;
    document.title = urgent ? `(${urgent}) Spikewatch` : "Spikewatch";
    views.update(shown());
    spans.update(span);
    sorts.update(SORTS, sort);
    groups.update({ "": "nothing", ...Object.fromEntries(found.groupings.map((one) => [one, one])) }, group);
    attribute(spans, "hidden", asList ? "" : null);
    attribute(groups, "hidden", asList || !found.groupings.length ? "" : null);
    attribute(quiet, "hidden", found.quiet ? null : "");
    text(quiet, found.quiet ? `Nothing has been received from any machine since ${moment(found.newest_s)}. Look for a common cause: the gateway, the network, the broker. What is shown is from before that.` : "");
    place.dataset.ready = "true"; // before the table is laid out: what is hidden has no height
    list(rows, asList ? found.machines.map((one) => ({ ...one, quiet: found.quiet })) : [], (one) => one.id, row);
    attribute(rows, "id", asList ? "machines" : null);
    attribute(head, "hidden", asList && found.machines.length ? null : "");
    attribute(more, "hidden", asList && found.found > found.machines.length ? null : "");
    text(more, `Show more (${found.machines.length} of ${found.found})`);
    table.update(asList ? null : found, shown(), sort);
    const state = found.total === 0 ? "empty" : found.found === 0 ? "none" : "some";
    only(hint, state, () => (state === "empty" ? empty() : state === "none" ? h("p", { class: "empty" }, "No machine matches. Clear the search or the filter.") : null));
  }

  table.onscroll = refresh;
  return {
    refresh,
    close() {
      table.close();
    },
  };
}
