// The configuration file and what is wrong with it; in safe mode, all there is.
import { read } from "./api.js";
import { h, only } from "./dom.js";
import { many } from "./format.js";
import { scrolling } from "./tables.js";

const YAML = `# plant.yaml
mqtt:
  url: mqtt://broker.plant.local:1883
influxdb:
  url: http://localhost:8086
  database: machines`;

function lines(found) {
  const wrong = new Map(found.problems.map((one) => [one.line, one]));
  return scrolling(h(
    "ol",
    { class: "code", "aria-label": found.file },
    ...found.text.split("\n").map((line, at) => {
      const problem = wrong.get(at + 1);
      return h(
        "li",
        { class: problem ? "wrong" : "", ...(problem && { id: `line-${at + 1}` }) },
        h("code", {}, line || " "),
        problem ? h("span", { class: "note" }, `▲ ${problem.key ? `${problem.key}: ` : ""}${problem.what}`) : null,
      );
    }),
  ));
}

function page(found) {
  const wrong = found.problems.length;
  const file = h("code", {}, found.file ?? "no file");
  let verdict;
  if (!found.file) {
    verdict = h("div", { class: "card" }, h("p", {}, "No configuration was given, so everything has its default: an embedded broker and an embedded store, both for testing only. For a plant:"), scrolling(h("pre", {}, YAML)), scrolling(h("pre", {}, "spikewatch check --config plant.yaml\nspikewatch run --config plant.yaml")));
  } else if (wrong) {
    verdict = h(
      "div",
      { class: "card incident critical", role: "alert" },
      h("h2", {}, found.running ? `Spikewatch would not start again with ${file.textContent}: ${many(wrong, "problem")}` : `Safe mode: ${many(wrong, "problem")} in ${file.textContent}`),
      h("p", {}, found.running ? "The service keeps running with the configuration it read at startup." : "Nothing else runs until you fix the file and restart the service. This page checks the file again by itself. The broker keeps QoS 1 messages meanwhile, up to its own limits."),
      h("ul", { class: "problems" }, ...found.problems.map((one) => h("li", {}, one.line ? h("a", { href: `#line-${one.line}`, onclick: (event) => { event.preventDefault(); document.getElementById(`line-${one.line}`)?.scrollIntoView({ block: "center" }); } }, `line ${one.line}`) : h("span", {}, "–"), one.key ? h("code", {}, one.key) : h("span", {}), h("span", {}, one.what)))),
    );
  } else {
    verdict = h("div", { class: "card good" }, h("p", {}, h("b", {}, "● Valid. "), file, found.running ? " has no mistakes. Changes take effect at the next restart." : " has no mistakes now. Restart the service: it is still in safe mode."));
  }
  const edit = found.editable ? h("div", { class: "buttons" }, h("a", { class: "button", href: "#/setup" }, "Edit")) : null;
  return h("div", {}, verdict, edit, found.text ? h("section", { class: "card" }, h("h2", {}, found.file), lines(found)) : null);
}

export function configuration(place) {
  const body = h("div", { id: "configuration" });
  place.replaceChildren(h("h1", {}, "Configuration"), body);
  async function refresh() {
    const found = await read("/api/config");
    document.title = found.problems.length ? `Configuration (${found.problems.length})` : "Configuration";
    only(body, JSON.stringify(found), () => page(found));
    place.dataset.ready = "true";
  }
  return { refresh, close() {} };
}
