// The buttons with which people answer a machine.
import { tell } from "./api.js";
import { ask, attribute, h } from "./dom.js";

export const VERBS = {
  ack: ["Acknowledge", "Somebody is at it. The incident stays open and no longer comes first."],
  snooze: ["Snooze …", "Acknowledged for a while; then it comes back."],
  normal: ["Normal", "What the machine does now is fine: the alarm and its incident end, and this is normal from here on."],
  label: ["Label …", "What the incident was. After some examples of a class, later incidents carry it by themselves."],
  repaired: ["Repaired", "Maintenance is done: the machine learns anew from here. Its old baseline is kept for Rollback."],
  rollback: ["Rollback", "Return to the baseline that the machine had before it was repaired."],
  freeze: ["Freeze", "It learns nothing from now on, and is still scored."],
  resume: ["Resume", "It learns again."],
};
const SURE = new Set(["normal", "repaired", "rollback", "freeze"]);
const KNOWN = new Set(["bearing", "imbalance", "leak", "sensor"]);

export function learnClasses(names) {
  for (const name of names) if (name) KNOWN.add(name);
}

async function say(id, verb, done) {
  const [title, means] = VERBS[verb];
  let argument = "";
  if (verb === "label") {
    const options = [...KNOWN].sort().map((name) => h("option", { value: name }));
    const values = await ask(
      "Label this incident",
      [
        h("p", {}, means),
        h("label", {}, "What it was", h("input", { name: "argument", required: true, maxlength: "32", list: "classes", placeholder: "bearing" })),
        h("datalist", { id: "classes" }, ...options),
      ],
      "Label",
    );
    if (!values) return;
    argument = values.argument.trim();
    KNOWN.add(argument);
  } else if (verb === "snooze") {
    const spans = { "1h": "1 hour", "8h": "8 hours", "1d": "a day", "7d": "a week" };
    const options = Object.entries(spans).map(([value, name]) => h("option", { value }, name));
    const values = await ask("Snooze", [h("p", {}, means), h("label", {}, "For", h("select", { name: "argument" }, ...options))], "Snooze");
    if (!values) return;
    argument = values.argument;
  } else if (SURE.has(verb)) {
    if (!(await ask(`${title}?`, [h("p", {}, means)], title))) return;
  }
  if (await tell(id, verb, argument)) done();
}

// Buttons of a machine; `update(machine)` shows those that make sense now.
export function buttons(id, done, verbs = Object.keys(VERBS)) {
  const all = Object.fromEntries(
    Object.entries(VERBS).filter(([verb]) => verbs.includes(verb)).map(([verb, [title, means]]) => [
      verb,
      h("button", { type: "button", title: means, data: { verb }, onclick: () => say(id, verb, done) }, title),
    ]),
  );
  const element = h("div", { class: "buttons", role: "group", "aria-label": "Answer this machine" }, ...Object.values(all));
  element.update = (machine) => {
    const open = machine.incident;
    attribute(all.ack, "hidden", !open || open.acknowledged ? "" : null);
    attribute(all.snooze, "hidden", open ? null : "");
    attribute(all.label, "hidden", open ? null : "");
    attribute(all.rollback, "hidden", machine.has_baseline ? null : "");
    attribute(all.freeze, "hidden", machine.frozen ? "" : null);
    attribute(all.resume, "hidden", machine.frozen ? null : "");
  };
  return element;
}
