// Charts of the past. Where a bucket holds several points, a band from the lowest to the highest and the mean in it are
// drawn, so that a line never joins single readings here and means there. Nothing is drawn across a gap.
import { colour, levelAxes, levelScale, make, sensorAxes, sensorScale, thresholds, tint } from "./charts.js";
import { h, text } from "./dom.js";
import { level, number, sensorTitle } from "./format.js";

const GAP = 3.5; // usual distances of points, from which on nothing was written

// Columns of what is there, in the middle of each bucket, with an empty place in each gap.
function joined(course, columns, names) {
  const filled = course.time_s.map((_, at) => at).filter((at) => columns.points[at]);
  const distances = filled.slice(1).map((at, before) => course.time_s[at] - course.time_s[filled[before]]).sort((a, b) => a - b);
  const gap = Math.max((distances[distances.length >> 1] ?? 0) * GAP, course.bucket_s * 2.5);
  const time_s = [];
  const at = [];
  for (const place of filled) {
    const now = course.time_s[place] + course.bucket_s / 2;
    if (time_s.length && now - time_s.at(-1) > gap) {
      time_s.push((now + time_s.at(-1)) / 2);
      at.push(-1);
    }
    time_s.push(now);
    at.push(place);
  }
  return { at, time_s, columns: names.map((name) => at.map((place) => (place < 0 ? null : columns[name][place]))) };
}

function command(chart, time_s) {
  const { left, top, width, height } = chart.bbox;
  const x = Math.round(chart.valToPos(time_s, "x", true)) + 0.5;
  if (x < left || x > left + width) return;
  const draw = chart.ctx;
  draw.save();
  draw.strokeStyle = draw.fillStyle = colour("--accent");
  draw.lineWidth = devicePixelRatio;
  draw.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  draw.beginPath();
  draw.moveTo(x, top);
  draw.lineTo(x, top + height);
  draw.stroke();
  draw.beginPath();
  draw.moveTo(x - 5 * devicePixelRatio, top);
  draw.lineTo(x + 5 * devicePixelRatio, top);
  draw.lineTo(x, top + 7 * devicePixelRatio);
  draw.fill();
  draw.restore();
}

function marks(state) {
  return (chart) => {
    for (const one of state.course.incidents) tint(chart, { ...one, newest_s: one.ended_s ?? one.time_s });
    for (const one of state.course.commands) command(chart, one.time_s);
  };
}

const several = (points, low, high, write) => (points > 1 ? ` (${write(low)} … ${write(high)}, ${points} points)` : "");
const hidden = { stroke: "transparent", width: 0, points: { show: false } };

function chartOf(place, title, state, names, options) {
  const says = h("span", { class: "number muted" });
  const body = h("div", { class: "plot" });
  place.append(h("header", {}, h("h3", {}, title), says), body);
  let shown = { at: [] };
  const told = (at) => {
    const place = at === null || at === undefined ? -1 : (shown.at[at] ?? -1);
    return place < 0 ? "" : options.told(place);
  };
  const chart = make(
    body,
    state,
    {
      height: options.height,
      padding: [8, 24, 0, 0], // for half of the last mark's text
      scales: { x: { time: true }, y: { range: options.range } },
      axes: options.axes,
      series: [{}, ...options.series],
      bands: options.bands,
      hooks: {
        drawClear: [marks(state)],
        draw: options.draw ?? [],
        setCursor: [
          (one) => {
            text(says, told(one.cursor.idx));
            state.cursorAt(one.cursor.left >= 0 ? one.posToVal(one.cursor.left, "x") : null);
          },
        ],
      },
    },
    [[], ...options.series.map(() => [])],
  );
  chart.update = () => {
    shown = joined(state.course, options.columns(), names);
    chart.show([shown.time_s, ...shown.columns], { min: state.course.from_s, max: state.course.to_s });
  };
  return chart;
}

export function pastLevel(place, state) {
  const columns = () => ({ ...state.course.level, points: state.course.score.points });
  return chartOf(place, "Anomaly level", state, ["low", "high", "mean"], {
    height: 170,
    columns,
    range: levelScale,
    axes: levelAxes(),
    series: [hidden, { ...hidden, stroke: colour("--accent"), width: 0.7 }, { stroke: colour("--accent"), width: 1.5, points: { size: 3 } }],
    bands: [{ series: [2, 1], fill: colour("--accent-soft") }],
    draw: [(one) => thresholds(one, state.course)],
    told: (at) => {
      const { points, low, mean, high } = columns();
      return `${points[at] > 1 ? "mean " : ""}${level(mean[at])}${several(points[at], low[at], high[at], level)}`;
    },
  });
}

export function pastSensor(place, sensor, state) {
  const columns = () => state.course.sensors[sensor];
  return chartOf(place, sensorTitle(state.course.labels[sensor], sensor), state, ["band_low", "band_high", "expected", "low", "high", "mean"], {
    height: 150,
    columns,
    range: sensorScale,
    axes: sensorAxes(),
    series: [hidden, hidden, { stroke: colour("--expected"), width: 1, dash: [4, 3], points: { show: false } }, hidden, hidden, { stroke: colour("--line"), width: 1.4, points: { size: 3 } }],
    bands: [
      { series: [2, 1], fill: colour("--band") },
      { series: [5, 4], fill: colour("--range") },
    ],
    told: (at) => {
      const { points, low, mean, high, expected, band_low, band_high } = columns();
      const band = expected[at] === null ? "" : `  expected ${number(expected[at])} (${number(band_low[at])} … ${number(band_high[at])})`;
      return `${points[at] > 1 ? "mean " : ""}${number(mean[at])}${several(points[at], low[at], high[at], number)}${band}`;
    },
  });
}
