// Sensors of all machines that age, those first that reach their limit soonest.
import { pageOf, remember } from "./address.js";
import { readList } from "./api.js";
import { attribute, h, list, text } from "./dom.js";
import { captures, count, many, number, peersOf, reached, signed } from "./format.js";
import { row, table } from "./tables.js";

const PAGE = 100;
const AGAIN_MS = 30_000;
const WAIT_MS = 30_000; // the first answer of a large plant takes a while
const WORDS = ["Machine", "Sensor", "Days left", "Limit reached", "Shift", "In its unit", "Per day", "Rank among its kind"];

export function ageing(place, query) {
  let search = query.get("search") ?? "";
  let limit = PAGE;
  let again = 0;
  const says = h("p", { class: "muted", id: "ageing-says" });
  const { body, element } = table("Ageing of sensors", WORDS, "ageing-rows");
  const more = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => { limit += PAGE; again = 0; refresh(); } }, "Show more");
  const find = h("input", { type: "search", placeholder: "Find a machine or sensor", "aria-label": "Find a machine, sensor or kind", value: search, oninput: (event) => {
    search = event.target.value;
    remember(new URLSearchParams(search ? { search } : {}));
    again = 0;
    refresh();
  } });
  place.replaceChildren(h("div", { class: "bar" }, h("h1", {}, "Ageing"), find), h("section", { class: "card table" }, says, element, more));

  async function refresh() {
    if (Date.now() < again) return;
    const wanted = search;
    const found = await readList("/api/ageing", { search }, "sensors", limit, WAIT_MS);
    if (wanted !== search) return;
    again = Date.now() + AGAIN_MS;
    document.title = "Ageing";
    const learning = found.learning ? `${many(found.learning, "sensor")} not assessed yet: each needs about 3,000 rows.` : "";
    const known = found.total ? `Since commissioning or the last repair; ${count(found.found)} of ${count(found.total)} sensors, by days left.` : "";
    text(says, [known, learning].filter(Boolean).join(" ") || "No sensor yet.");
    attribute(element, "hidden", found.sensors.length ? null : "");
    attribute(more, "hidden", found.found > found.sensors.length ? null : "");
    list(body, found.sensors, (one) => `${one.id}#${one.sensor}`, (one) => {
      const its = row(h("th", { scope: "row" }, h("a", { class: "name", href: pageOf(one.id) }, one.label), " ", h("span", { class: "muted small" }, captures(one.tags))), WORDS.length - 1);
      its.update = (now) => {
        const days = now.forecast?.days ?? null;
        its.fill([now.unit ? `${now.name} (${now.unit})` : now.name, days === null ? "–" : number(days, 2), reached(now.forecast), `${signed(now.shift, 2)} σ`, `${signed(now.moved)} ± ${number(now.error, 2)}`, `${signed(now.per_day, 2)} σ`, peersOf(now)]);
      };
      return its;
    });
    place.dataset.ready = "true";
  }
  return { refresh, close() {}, patience_ms: WAIT_MS };
}
