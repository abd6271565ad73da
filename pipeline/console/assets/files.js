// Files that the page makes of what it shows.
import { h } from "./dom.js";

// A name from a plant that a spreadsheet would take for a formula is text.
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csv = (rows) => `${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;

export const iso = (seconds) => (seconds === null || seconds === undefined ? "" : new Date(seconds * 1000).toISOString());

export function download(name, kind, text) {
  const address = URL.createObjectURL(new Blob([text], { type: kind }));
  h("a", { href: address, download: name.replace(/[^A-Za-z0-9._-]+/g, "_") }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const COLUMNS = ["points", "low", "mean", "high"];
const LEVELS = ["low", "mean", "high"];
const BAND = ["expected", "band_low", "band_high", "score"];

// A course as a table: a row per bucket, which begins at its time.
export function courseTable(course) {
  const sensors = Object.entries(course.sensors);
  const head = ["time", "bucket_s", ...COLUMNS.map((name) => `score ${name}`), ...LEVELS.map((name) => `level ${name}`), "severity", ...sensors.flatMap(([sensor]) => [...COLUMNS, ...BAND].map((name) => `${sensor} ${name}`))];
  const rows = course.time_s.map((time_s, at) => [
    iso(time_s),
    course.bucket_s,
    ...COLUMNS.map((name) => course.score[name][at]),
    ...LEVELS.map((name) => course.level[name][at]),
    course.severity[at],
    ...sensors.flatMap(([, columns]) => [...COLUMNS, ...BAND].map((name) => columns[name][at])),
  ]);
  return csv([head, ...rows]);
}
