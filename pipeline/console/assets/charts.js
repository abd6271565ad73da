// Charts of a machine over its time: anomaly level, a sensor in its expected band, and its populations as a raster of spikes.
// All have the same width of axis and one cursor, so that what is above one another happened at one time. Which part of
// it is shown is the page's to say (`state.zoomTo`, `update(shown, zoom)`): new rows come in every second.
import { h, text } from "./dom.js";
import { level, number, score, sensorTitle, TOP } from "./format.js";

const AXIS = 78;
const SYNC = "machine";
const [MINUTE, DAY] = [60, 86400];
// From which distance of marks on, how a mark is written, and what is below it where the day or year begins or changes.
const DATE = "\n{D} {MMM} {YYYY}";
const TIMES = [
  [365 * DAY, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * DAY, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [MINUTE, "{HH}:{mm}", DATE, null, DATE, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DATE, null, DATE, null, null, null, 1],
  [0.001, "{ss}.{fff}", "\n{HH}:{mm} {D} {MMM}", null, null, null, null, null, 1],
];

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function axes(values, splits, more = {}) {
  const common = { stroke: colour("--muted"), font: "11px system-ui, sans-serif", grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
  return [
    { ...common, size: 38, space: 70, values: TIMES },
    { ...common, size: AXIS, values, ...(splits && { splits }), ...more },
  ];
}

const CURSOR = {
  // Charts are of different widths, so each has a selection of its own.
  sync: { key: SYNC, filters: { pub: (event) => !["mousedown", "mouseup", "dblclick"].includes(event) } },
  drag: { x: true, y: false, setScale: false },
  points: { show: false },
};
const DRAGGED = 5; // pixels; less is a click

export function make(place, state, options, data) {
  const selected = (one) => {
    const { left, width } = one.select;
    if (width < DRAGGED) return;
    one.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    state.zoomTo(one.posToVal(left, "x"), one.posToVal(left + width, "x"));
  };
  const chart = new uPlot(
    {
      width: Math.max(place.clientWidth, 200),
      cursor: { ...CURSOR, bind: { dblclick: () => () => state.zoomTo(null) } },
      legend: { show: false },
      padding: [8, 10, 0, 0],
      ...(state.utc && { tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") }),
      ...options,
      hooks: { ...options.hooks, setSelect: [selected] },
    },
    data,
    place,
  );
  chart.show = (columns, zoom) =>
    chart.batch(() => {
      chart.setData(columns, !zoom);
      if (zoom) chart.setScale("x", { min: zoom.min, max: zoom.max });
    });
  const resize = new ResizeObserver(() => chart.setSize({ width: Math.max(place.clientWidth, 200), height: options.height }));
  resize.observe(place);
  chart.end = () => {
    resize.disconnect();
    chart.destroy();
  };
  return chart;
}

function dashed(chart, level, stroke) {
  const y = Math.round(chart.valToPos(level, "y", true)) + 0.5;
  const { left, width } = chart.bbox;
  const draw = chart.ctx;
  draw.save();
  draw.strokeStyle = stroke;
  draw.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  draw.lineWidth = devicePixelRatio;
  draw.beginPath();
  draw.moveTo(left, y);
  draw.lineTo(left + width, y);
  draw.stroke();
  draw.restore();
}

// From when to when an incident is, as a tint behind the lines.
export function tint(chart, incident) {
  if (!incident) return;
  const { left, top, width, height } = chart.bbox;
  const from = Math.max(chart.valToPos(incident.started_s, "x", true), left);
  const to = Math.min(chart.valToPos(incident.newest_s, "x", true), left + width);
  if (to <= from) return;
  const draw = chart.ctx;
  draw.save();
  draw.globalAlpha = 0.1;
  draw.fillStyle = colour(`--${incident.severity}`);
  draw.fillRect(from, top, to - from, height);
  draw.restore();
}

// Behind the lines of live charts: the time of which only some rows are known, and the open incident.
function behind(chart, state) {
  const { left, top, width, height } = chart.bbox;
  const until = state.sparse ? Math.min(chart.valToPos(state.sparse.until_s, "x", true), left + width) : left;
  if (until > left) {
    const draw = chart.ctx;
    draw.save();
    draw.globalAlpha = 0.1;
    draw.fillStyle = colour("--muted");
    draw.fillRect(left, top, until - left, height);
    draw.restore();
  }
  tint(chart, state.incident);
}

// Of every chart of a sensor: what is shown, with a margin.
export const sensorScale = (_, low, high) => (low === null ? [0, 1] : low === high ? [low - 1, high + 1] : [low - (high - low) * 0.06, high + (high - low) * 0.06]);
export const sensorAxes = () => axes((_, splits) => splits.map((value) => number(value, 5)));

// Of every chart of levels: the whole scale, so that pictures of machines can be compared.
const TICKS = [0, 2, 4, 6, 8, TOP];
export const levelScale = () => [0, TOP];
export const levelAxes = () => axes((_, splits) => splits.map(String), () => TICKS);
export function thresholds(chart, { warning_level, critical_level }) {
  dashed(chart, warning_level, colour("--warning"));
  dashed(chart, critical_level, colour("--critical"));
}

export function levelChart(place, state) {
  const says = h("span", { class: "number muted", "aria-live": "off" });
  const body = h("div", { class: "plot" });
  place.append(h("header", {}, h("h3", {}, "Anomaly level"), says), body);
  const chart = make(
    body,
    state,
    {
      height: 180,
      scales: { x: { time: true }, y: { range: levelScale } },
      axes: levelAxes(),
      series: [{}, { stroke: colour("--accent"), width: 1.6, fill: colour("--accent-soft"), spanGaps: true, points: { show: false } }],
      hooks: {
        drawClear: [(one) => behind(one, state)],
        draw: [(one) => thresholds(one, state)],
        setCursor: [(one) => text(says, told(one.cursor.idx))],
      },
    },
    [[], []],
  );
  let data = { level: [], score: [], cause: [] };
  const told = (at) => {
    const last = at ?? data.level.length - 1;
    return last < 0 ? "" : `${level(data.level[last])}${data.cause[last] ? ` · ${data.cause[last]}` : ""} · score ${score(data.score[last])}`;
  };
  chart.update = (shown, zoom) => {
    data = shown;
    chart.show([shown.time_s, shown.level], zoom);
    text(says, told(chart.cursor.idx));
  };
  return chart;
}

export function sensorChart(place, sensor, state) {
  const says = h("span", { class: "number muted" });
  const body = h("div", { class: "plot" });
  place.append(h("header", {}, h("h3", {}, sensorTitle(state.labels?.[sensor], sensor)), says), body);
  const hidden = { stroke: "transparent", width: 0, spanGaps: true, points: { show: false } };
  const chart = make(
    body,
    state,
    {
      height: 150,
      scales: { x: { time: true }, y: { range: sensorScale } },
      axes: sensorAxes(),
      series: [
        {},
        hidden,
        hidden,
        { stroke: colour("--expected"), width: 1, dash: [4, 3], spanGaps: true, points: { show: false } },
        { stroke: colour("--line"), width: 1.4, spanGaps: true, points: { show: false } },
      ],
      bands: [{ series: [2, 1], fill: colour("--band") }],
      hooks: { drawClear: [(one) => behind(one, state)], setCursor: [(one) => text(says, told(one.cursor.idx))] },
    },
    [[], [], [], [], []],
  );
  let data = { value: [] };
  const told = (at) => {
    let last = at ?? data.value.length - 1;
    while (last >= 0 && data.value[last] === null) last -= 1;
    if (last < 0) return "no reading yet";
    const band = data.low[last] === null ? "" : `  expected ${number(data.expected[last])}  (${number(data.low[last])} … ${number(data.high[last])})`;
    return `${number(data.value[last])}${band}`;
  };
  chart.update = (shown, zoom) => {
    const none = shown.time_s.map(() => null);
    data = shown.sensors[sensor] ?? { value: none, low: none, high: none, expected: none };
    chart.show([shown.time_s, data.low, data.high, data.expected, data.value], zoom);
    text(says, told(chart.cursor.idx));
  };
  return chart;
}

// One row per population; a mark where it fires: what it sees is rarer than one reading in a hundred.
export function raster(place, state) {
  const title = h("h3", {}, "Spikes");
  const says = h("span", { class: "muted" });
  const body = h("div", { class: "plot" });
  place.append(h("header", {}, title, says), body);
  let data = null;
  let populations = [];
  const chart = make(
    body,
    state,
    {
      height: 200,
      scales: { x: { time: true }, y: { range: () => [-0.5, Math.max(populations.length, 1) - 0.5] } },
      axes: axes((_, splits) => splits.map((value) => populations[populations.length - 1 - value]?.name ?? ""), () => populations.map((_, at) => at), { grid: { show: false } }),
      series: [{}, { stroke: "transparent", paths: () => null, points: { show: false } }],
      hooks: {
        drawClear: [(one) => behind(one, state)],
        draw: [
          (one) => {
            if (!data) return;
            const draw = one.ctx;
            const tall = (one.bbox.height / Math.max(populations.length, 1)) * 0.62;
            const wide = Math.max(1.4 * devicePixelRatio, Math.min(4 * devicePixelRatio, one.bbox.width / Math.max(data.time_s.length, 1) - 1));
            draw.save();
            draw.beginPath();
            draw.rect(one.bbox.left, one.bbox.top, one.bbox.width, one.bbox.height);
            draw.clip();
            for (let at = 0; at < populations.length; at += 1) {
              const y = one.valToPos(populations.length - 1 - at, "y", true);
              draw.fillStyle = colour("--grid");
              draw.fillRect(one.bbox.left, y, one.bbox.width, devicePixelRatio / 2);
              draw.fillStyle = colour("--spike");
              data.fires.forEach((bits, row) => {
                if (bits & (1 << at)) draw.fillRect(one.valToPos(data.time_s[row], "x", true) - wide / 2, y - tall / 2, wide, tall);
              });
            }
            draw.restore();
          },
        ],
        setCursor: [(one) => text(says, told(one.cursor.idx))],
      },
    },
    [[], []],
  );
  const told = (at) => {
    const bits = data && at !== null && at !== undefined ? data.fires[at] : 0;
    const words = populations.filter((_, number) => bits & (1 << number)).map((one) => one.says);
    return words.join("; ") || (data?.fires.some(Boolean) ? "" : "no spikes in these rows");
  };
  chart.update = (shown, zoom, sensor) => {
    populations = shown.populations;
    data = { time_s: shown.time_s, fires: shown.sensors[sensor]?.fires ?? shown.time_s.map(() => 0) };
    text(title, `Spikes of ${state.labels?.[sensor]?.name ?? sensor}`);
    chart.show([shown.time_s, shown.time_s.map(() => null)], zoom);
    text(says, told(chart.cursor.idx));
  };
  return chart;
}
