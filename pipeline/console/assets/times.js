// Times of the past: which span is shown, and in which zone it is written. Both are in the address of the page.
import { ask, h, segments } from "./dom.js";

export const SPANS = { "1h": [3600, "1 h"], "8h": [28_800, "8 h"], "1d": [86_400, "1 d"], "7d": [604_800, "7 d"], "30d": [2_592_000, "30 d"] };

const LOCAL = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
const format = (timeZone, options) => new Intl.DateTimeFormat("en-GB", { timeZone, ...options });
const PARTS = { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" };
const WRITTEN = { true: format("UTC", PARTS), false: format(undefined, PARTS) };

export const zone = (utc) => (utc ? "UTC" : LOCAL);
// With its weekday, since people ask what happened on Saturday.
export const stamp = (seconds, utc) => (seconds === null || seconds === undefined ? "–" : WRITTEN[utc].format(new Date(seconds * 1000)));

const UNITS = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
export function width(seconds) {
  const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? [0.001, "ms"];
  return `${Math.round((seconds / size) * 10) / 10} ${unit}`;
}

// What an address says: a span that ends with the newest reading, a time from when to when within it or by itself.
export function viewOf(query) {
  const [from, to] = ["from", "to"].map((name) => (query.has(name) ? Number(query.get(name)) : NaN));
  const fixed = Number.isFinite(from) && Number.isFinite(to) && from >= 0 && to > from;
  const span = query.get("range") in SPANS ? query.get("range") : "";
  return { span, from: fixed ? from : null, to: fixed ? to : null, utc: query.get("zone") === "utc" };
}

export function queryOf(view) {
  const round = (seconds) => String(Math.round(seconds * 1000) / 1000);
  return new URLSearchParams([
    ...(view.span ? [["range", view.span]] : []),
    ...(view.from === null ? [] : [["from", round(view.from)], ["to", round(view.to)]]),
    ...(view.utc ? [["zone", "utc"]] : []),
  ]);
}

// As an input for date and time has it, in the zone that is shown.
function written(seconds, utc) {
  const date = new Date(seconds * 1000);
  const local = new Date(date.getTime() - (utc ? 0 : date.getTimezoneOffset() * 60_000));
  return local.toISOString().slice(0, 19);
}
const read = (text, utc) => Date.parse(utc ? `${text}Z` : text) / 1000;

// Asks for a time of one's own; null where it was dismissed.
export async function askTimes(from, to, utc) {
  const field = (title, name, value) => h("label", {}, title, h("input", { type: "datetime-local", name, step: "1", required: true, value: written(value, utc) }));
  const wrong = (given) => (read(given.from, utc) < read(given.to, utc) ? "" : "The beginning is not before the end.");
  const given = await ask("Time to show", [h("p", {}, `In ${zone(utc)}.`), field("From", "from", from), field("To", "to", to)], "Show", wrong);
  return given && { from: read(given.from, utc), to: read(given.to, utc) };
}

// Nothing to choose where the reader's own zone is UTC.
export function zones(press) {
  const element = segments("Time zone", { local: LOCAL, utc: "UTC" }, (key) => press(key === "utc"));
  element.hidden = ["UTC", "Etc/UTC"].includes(LOCAL);
  return element;
}
