// What was heard of a broker and is understood of it: sources, machines with their newest readings, and what is left out.
import { attribute, h, list, text } from "./dom.js";
import { many } from "./format.js";
import { table } from "./tables.js";

const number = (value) => String(Number(value.toPrecision(5)));

function sourceItem(one) {
  const use = h("input", { type: "checkbox", checked: true, "aria-label": `Use ${one.topic}` });
  const topic = h("input", { type: "text", value: one.topic, spellcheck: "false", "aria-label": `Topic of ${one.topic}` });
  const facts = h("p", { class: "muted small" });
  const notes = h("ul", {});
  const element = h("li", { class: "source" }, h("div", { class: "source-topic" }, use, topic), facts, notes);
  element.update = (now) => {
    text(facts, `${now.payload}: ${many(now.machines, "machine")}, ${many(now.sensors, "sensor")}, ${many(now.messages, "message")}, such as ${now.examples[0]}`);
    const said = [
      ...now.notes.map((note) => ["Please check", note]),
      ...Object.entries(now.ignored).map(([pattern, why]) => ["Ignored", `${pattern} (${why})`]),
      ...(now.refused ? [["No readings", now.refused]] : []),
    ];
    notes.replaceChildren(...said.map(([what, words]) => h("li", { class: "small" }, h("b", {}, `${what}: `), words)));
  };
  element.chosen = () => (use.checked ? { proposed: one.topic, topic: topic.value.trim() } : null);
  return element;
}

function machineRow(one) {
  const values = h("td", { class: "values" });
  const time = h("td", { class: "number small" });
  const tags = Object.entries(one.tags).map(([key, value]) => `${key}=${value}`);
  const element = h("tr", {}, h("th", { scope: "row" }, one.name, tags.length ? h("span", { class: "muted small" }, ` ${tags.join(" ")}`) : null), values, time);
  element.update = (now) => {
    text(values, Object.entries(now.values).map(([sensor, value]) => `${sensor} = ${number(value)}`).join(", "));
    text(time, now.time.slice(11, 19));
  };
  return element;
}

export function preview(state) {
  const said = h("p", { class: "strong", id: "heard" });
  const sources = h("ul", { class: "sources" });
  const { body: rows, element: machines } = table("Machines that were heard", ["Machine", "Newest readings", "Time (UTC)"], "heard-machines");
  const leftOut = h("ul", { class: "left" });
  const summary = h("summary", {});
  const details = h("details", { hidden: true }, summary, leftOut);
  state.sources = () => [...sources.children].map((one) => one.chosen()).filter(Boolean);
  return {
    element: h("div", {}, said, sources, machines, details),
    forget: () => sources.replaceChildren(), // what was changed of them is of an earlier proposal
    update(found) {
      const left = found.listening ? `, ${Math.ceil(found.left_s)} s left` : "";
      text(said, found.messages || found.listening ? `${many(found.messages, "message")} heard${left}` : "No message was heard: is anything published there, and may this user read it?");
      list(sources, found.sources, (one) => one.topic, sourceItem);
      list(rows, found.machines, (one) => JSON.stringify([one.name, one.tags]), machineRow);
      attribute(machines, "hidden", found.machines.length ? null : "");
      attribute(details, "hidden", found.left_out.length ? null : "");
      text(summary, `${many(found.left_out.length + found.left_out_more, "topic")} left out`);
      leftOut.replaceChildren(...found.left_out.map(([topic, why]) => h("li", { class: "small" }, h("code", {}, topic), ` ${why}`)));
    },
  };
}

function sensorRow({ name }) {
  const unit = h("input", { type: "text", maxlength: "20", "aria-label": `Unit of ${name}` });
  const limit = h("input", { type: "number", step: "any", "aria-label": `Limit of ${name}` });
  const ignore = h("input", { type: "checkbox", "aria-label": `Ignore ${name}` });
  const element = h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, unit), h("td", {}, limit), h("td", {}, ignore));
  element.update = () => {};
  element.said = () => ({ unit: unit.value.trim(), limit: limit.value === "" ? null : Number(limit.value), ignore: ignore.checked });
  return element;
}

export function sensorTable() {
  const { body: rows, element } = table("Sensors", ["Sensor", "Unit", "Limit", "Ignore"], "sensors");
  const known = new Map(); // rows of sensors that were not heard this time keep what was typed
  const rowOf = (one) => {
    if (!known.has(one.name)) known.set(one.name, sensorRow(one));
    return known.get(one.name);
  };
  return {
    element,
    update: (names) => list(rows, names.map((name) => ({ name })), (one) => one.name, rowOf),
    value: () => Object.fromEntries([...rows.children].map((row) => [row.itemKey, row.said()])),
  };
}
