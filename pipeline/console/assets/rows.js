// The newest rows of a machine, as columns of one length.
const KEPT = 1600; // rows in this page
const COLUMNS = ["value", "expected", "low", "high", "score", "fires"];

export function joined(old, more) {
  const cut = (column) => column.slice(-KEPT);
  const sensors = Object.fromEntries(
    Object.keys(old.sensors).map((sensor) => [
      sensor,
      Object.fromEntries(COLUMNS.map((name) => [name, cut(old.sensors[sensor][name].concat(more.sensors[sensor]?.[name] ?? more.time_s.map(() => null)))])),
    ]),
  );
  const own = Object.fromEntries(["time_s", "score", "level", "severity", "cause", "spikes"].map((name) => [name, cut(old[name].concat(more[name]))]));
  return { ...old, ...own, order: more.order, newest: { ...old.newest, ...more.newest }, sensors };
}

export function newest(all, rows) {
  if (all.time_s.length <= rows) return all;
  const cut = (columns) => Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, Array.isArray(column) && name !== "order" && name !== "populations" ? column.slice(-rows) : column]));
  return { ...cut(all), sensors: Object.fromEntries(Object.entries(all.sensors).map(([sensor, columns]) => [sensor, cut(columns)])) };
}

const RECENT = 20; // distances of rows that say how often rows come now
const SPARSER = 3.5; // times as far apart: of that time not every row is known

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

// Until when only what was written is known, and how far apart that is; null where every row is.
export function sparse(times) {
  const distances = times.slice(1).map((at, before) => at - times[before]);
  const now = median(distances.slice(-RECENT));
  const last = distances.findLastIndex((one) => one > SPARSER * now);
  const every_s = last < RECENT ? 0 : median(distances.slice(0, last + 1));
  return every_s > SPARSER * now ? { until_s: times[last + 1], every_s } : null;
}
