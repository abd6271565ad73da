// Which incidents are looked for; the choice is in the page's address.
import { attribute, h, list } from "./dom.js";

const NAMES = ["machine", "tag", "class", "severity", "state"];
const SEVERITIES = { "": "any severity", critical: "critical", warning: "warning" };
const STATES = { "": "any state", open: "open", unacknowledged: "not acknowledged", unconfirmed: "unconfirmed", closed: "closed" };

// `changed()` when somebody chooses; `query()` gives what was chosen, for the address and for the service.
export function incidentFilter(from, changed) {
  const chosen = Object.fromEntries(NAMES.map((name) => [name, from.get(name) ?? ""]));
  const set = (name) => (event) => {
    chosen[name] = event.target.value;
    changed();
  };
  const options = (words) => Object.entries(words).map(([value, name]) => h("option", { value }, name));
  const select = (name, label, words) => h("select", { "aria-label": label, onchange: set(name) }, ...options(words));
  const machine = h("input", { type: "search", placeholder: "Machine", "aria-label": "Machine's name", value: chosen.machine, oninput: set("machine") });
  const tag = select("tag", "Site or other capture", { "": "any site" });
  const label = select("class", "Class", { "": "any class" });
  const severity = select("severity", "Severity", SEVERITIES);
  const state = select("state", "State", STATES);
  const clear = h("button", { type: "button", class: "quiet", onclick: () => {
    for (const name of NAMES) chosen[name] = "";
    for (const one of [machine, tag, label, severity, state]) one.value = "";
    changed();
  } }, "Clear filter");
  const element = h("div", { class: "filter", role: "search", "aria-label": "Filter incidents" }, machine, tag, label, severity, state, clear);
  severity.value = chosen.severity;
  state.value = chosen.state;

  // What can be chosen is what incidents have; what is chosen can be, whatever they have now.
  function choices(place, name, first, values, words) {
    const all = ["", ...new Set([...values, ...(chosen[name] ? [chosen[name]] : [])])];
    list(place, all, (value) => `=${value}`, (value) => Object.assign(h("option", { value }, value ? words(value) : first), { update() {} }));
    if (place.value !== chosen[name]) place.value = chosen[name];
  }

  return {
    element,
    query: () => Object.entries(chosen).filter(([, value]) => value),
    update({ tags, classes }) {
      choices(tag, "tag", "any site", tags, (value) => value.replace("=", " "));
      choices(label, "class", "any class", classes, (value) => value);
      attribute(clear, "hidden", Object.values(chosen).some(Boolean) ? null : "");
    },
  };
}
