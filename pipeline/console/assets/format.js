// Numbers and times as people read them.
import { h, text } from "./dom.js";

export const ATTENTION = {
  critical: ["▲", "critical"],
  warning: ["△", "warning"],
  changed: ["◆", "changed"],
  silent: ["○", "silent"],
  sensor: ["⊘", "bad sensor"],
  frozen: ["■", "frozen"],
  drifting: ["↗", "drifting"],
  learning: ["◔", "learning"],
  ready: ["●", "ready"],
};

export const MEANS = {
  critical: "critical alarm: check the sensor named",
  warning: "alarm: check the sensor named",
  changed: "lasting change, not confirmed: press Normal if this is how it should be, otherwise repair it and press Repaired",
  silent: "no data for a long time: check its power and network",
  sensor: "sensor unreliable: check or replace it",
  frozen: "learning is switched off: press Resume to switch it on",
  drifting: "a sensor is drifting slowly: plan maintenance",
  learning: "learning what is normal: wait",
  ready: "no action needed",
};

export function pill(attention, learned = 1) {
  const glyph = h("span", { class: "glyph", "aria-hidden": "true" });
  const word = h("span", {});
  const element = h("span", {}, glyph, word);
  element.update = (name, share = 1) => {
    element.className = `pill ${name}`;
    element.title = MEANS[name] ?? "";
    text(glyph, ATTENTION[name]?.[0] ?? "·");
    text(word, name === "learning" ? `learning ${Math.floor(share * 100)} %` : (ATTENTION[name]?.[1] ?? name));
  };
  element.update(attention, learned);
  return element;
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const today = () => day.format(new Date());

export function moment(seconds) {
  if (!seconds) return "–";
  const date = new Date(seconds * 1000);
  const on = day.format(date);
  return on === today() ? time.format(date) : `${on} ${time.format(date)}`;
}

export function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// A sensor as people call it, with its unit.
export const sensorTitle = (label, sensor) => `${label?.name ?? sensor}${label?.unit ? ` (${label.unit})` : ""}`;

// What is wrong with a sensor.
export const isBad = (one) => one.quality !== "good" || one.masked;
export const trust = (one) => [one.quality, one.masked && "masked"].filter(Boolean).join(", ");
export const doubts = (sensors) => sensors.filter(isBad).map((one) => `${one.name ?? one.sensor} is ${trust(one)}.`).join(" ");

// What has changed for good and is not confirmed.
export const changes = ({ changed, unconfirmed }) =>
  changed.length || unconfirmed ? `changed: ${changed.join(", ") || "the machine as a whole"}${unconfirmed ? " (unconfirmed)" : ""}` : "";
// What to do about an unconfirmed incident; `another`: whether another one of the machine is open.
export const toConfirm = (another) =>
  "The change has lasted so long that it is now accepted as normal, but nobody has confirmed it. Press Normal if this is how it should be. Otherwise repair it and press Repaired." +
  (another ? " Another alarm of this machine is open: Normal and Repaired apply to that one too, so deal with it first." : "");

// A score says most by its distance from 1, so as many digits as it takes to see that.
export const score = (value) => {
  if (value === null || value === undefined) return "–";
  return (value >= 0.99995 ? Math.min(value, 0.999999).toFixed(6) : value.toFixed(4));
};
export const TOP = 10; // highest anomaly level
// Cut off, not rounded: none is 5 or 8 before its score is.
export const level = (value) => (typeof value === "number" ? (Math.floor(value * 10 + 1e-6) / 10).toFixed(1) : "–");
export const LEVEL_MEANS = "Anomaly level, 0 to 10: up to 1 is usual; usually 5 is a warning and 8 is critical";
// An element that shows a level; its score is there for whoever points at it.
export function showLevel(element, value, its, words = level(value)) {
  text(element, words);
  element.title = typeof value === "number" ? `${LEVEL_MEANS}. Score ${score(its)}` : LEVEL_MEANS;
}
export const percent = (value) => `${Math.round(value * 100)} %`;

export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(2);
  return value.toLocaleString("en-GB", { maximumSignificantDigits: digits, useGrouping: size >= 10000 });
}

export const count = (value) => Math.round(value).toLocaleString("en-GB");
export const many = (value, what) => `${count(value)} ${what}${value === 1 ? "" : "s"}`;

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let size = value;
  while (size >= 1000 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${size >= 100 || at === 0 ? Math.round(size) : size.toFixed(1)} ${units[at]}`;
}

// Of an open incident whose machine is not in alarm at present.
export function calm(incident, newest_s) {
  const seconds = incident ? newest_s - incident.newest_s : 0;
  return seconds >= 60 ? `no alarm for ${duration(seconds)}` : "";
}

// Of an incident that is not open, and of which no end was written.
export const NO_END = "its end is not recorded";

// What closed an incident; a command, where it has no other name.
const CLOSED = { calm: "alarm cleared" };
export const closedBy = (one) => (one.state === "unknown" ? NO_END : (CLOSED[one.reason] ?? one.reason));

// What else is to be known of a machine beside what it needs.
export const flags = (one) => {
  const snoozed = one.snoozed ? (one.incident?.snoozed_until_s ? `snoozed until ${moment(one.incident.snoozed_until_s)}` : "snoozed") : "";
  return [snoozed || (one.acknowledged && "acknowledged"), one.frozen && one.attention !== "frozen" && "frozen"].filter(Boolean).join(", ");
};

export const captures = (tags) => Object.entries(tags).map(([key, value]) => `${key} ${value}`).join(", ");

export function blame(part) {
  return `${part.name ?? part.sensor} ${percent(part.share)}${part.direction ? ` ${part.direction}` : ""}`;
}

// Of the ageing of a sensor.
export const signed = (value, digits = 3) => (value === null ? "–" : `${value < 0 ? "−" : "+"}${number(Math.abs(value), digits)}`);

export function reached(forecast) {
  if (!forecast) return "–";
  if (forecast.days === null) return `limit ${number(forecast.limit)}: not reached at the current trend`;
  const span = `${number(forecast.earliest, 2)} … ${forecast.latest === null ? "not reached" : number(forecast.latest, 2)}`;
  return `limit ${number(forecast.limit)} in ${number(forecast.days, 2)} days (${span})`;
}

export const peersOf = ({ peers }) => (peers ? `${peers.rank} of ${peers.machines + 1}; median ${signed(peers.shift, 2)} σ` : "–");
export const offsetOf = ({ offset, gain }) => (offset === null ? "–" : `${signed(offset)}${gain === null ? "" : `  × ${number(gain)}`}`);
