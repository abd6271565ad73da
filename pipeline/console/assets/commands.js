// The buttons for commands to a machine.
import { tell } from "./api.js";
import { ask, attribute, h } from "./dom.js";

const VERBS = {
  ack: ["Acknowledge", "Someone is working on it. The incident stays open but no longer comes first."],
  snooze: ["Snooze …", "Acknowledged for a set time; then it is shown as not acknowledged again."],
  normal: ["Normal", "The present behaviour is normal: the alarm and its incident end, and the machine is judged by this from now on."],
  label: ["Label …", "What the fault was. After a few examples of a class, later incidents are classified automatically."],
  repaired: ["Repaired", "Maintenance is done: the machine learns its baseline again from now on. The old baseline is kept for Rollback."],
  rollback: ["Rollback", "Return to the baseline from before the repair or import."],
  freeze: ["Freeze", "Switch learning off. The machine is still scored."],
  resume: ["Resume", "Switch learning on again."],
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
        h("label", {}, "Fault class", h("input", { name: "argument", required: true, maxlength: "32", list: "classes", placeholder: "bearing" })),
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

// Buttons of a machine; `update(machine)` shows those that make sense now, or those that `machine.answers` names.
export function buttons(id, done, verbs = Object.keys(VERBS)) {
  const all = Object.fromEntries(
    Object.entries(VERBS).filter(([verb]) => verbs.includes(verb)).map(([verb, [title, means]]) => [
      verb,
      h("button", { type: "button", title: means, data: { verb }, onclick: () => say(id, verb, done) }, title),
    ]),
  );
  const element = h("div", { class: "buttons", role: "group", "aria-label": "Commands to this machine" }, ...Object.values(all));
  element.update = (machine) => {
    const open = machine.incident;
    const makeSense = {
      ack: open && !open.acknowledged,
      snooze: open,
      label: open,
      rollback: machine.has_baseline,
      freeze: !machine.frozen,
      resume: machine.frozen,
    };
    for (const [verb, button] of Object.entries(all)) {
      const shown = machine.answers ? machine.answers.includes(verb) : verb in makeSense ? makeSense[verb] : true;
      attribute(button, "hidden", shown ? null : "");
    }
  };
  return element;
}
