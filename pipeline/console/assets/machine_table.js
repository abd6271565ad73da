// A long list of machines as rows of one height, of which only those in sight are elements: ten thousand scroll as ten
// do. Beside what a machine needs each row has a strip of cells, the highest level in each stretch of the last hours.
import { pageOf } from "./address.js";
import { attribute, h, list, text } from "./dom.js";
import { ATTENTION, blame, captures, duration, flags, LEVEL_MEANS, many, MEANS, moment, pill, showLevel } from "./format.js";

const MARGIN = 12; // rows above and below those in sight
const MOST = 150; // rows that are asked for at a time
const COLUMNS = [["attention", "Status"], ["name", "Machine"], ["level", "Level"], ["since", "Since"], ["", "Cause"], ["newest", "Newest reading"], ["", ""]];
// In which order a column is: by attention in none of its own, names from A on, all else from the highest or newest on.
function directionOf(name, sort) {
  if (name === "attention") return sort ? "none" : "other";
  if (![name, `-${name}`].includes(sort)) return "none";
  return (name === "name") === (name === sort) ? "ascending" : "descending";
}
const MARKS = "-0123456789A"; // nothing known, levels 0 to 10
const clock = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });

// Colour of a level that was cut off to a whole number, as a class of the legend and a colour of the canvas.
const kindOf = (value) => (value < 1 ? "usual" : value < 5 ? "raised" : value < 8 ? "warning" : "critical");
const LEGEND = { unknown: "nothing known", usual: "usual (below 1)", raised: "1 to 5", warning: "5 to 8", critical: "8 and more" };

function strip() {
  const canvas = h("canvas", { class: "cells", role: "img" });
  let told = "";
  let span = null;
  const at = (event) => Math.floor(((event.clientX - canvas.getBoundingClientRect().left) / canvas.clientWidth) * told.length);
  canvas.addEventListener("mousemove", (event) => {
    const place = at(event);
    if (!span || !(place in [...told])) return;
    const begin = span.begin_s + place * span.cell_s;
    const value = MARKS.indexOf(told[place]) - 1;
    canvas.title = `${clock.format(new Date(begin * 1000))} – ${clock.format(new Date((begin + span.cell_s) * 1000))}: ${value < 0 ? "nothing known" : `highest level ${value}${value < 10 ? ` to ${value + 1}` : ""}`}`;
  });
  // `wide`, `high`: pixels, the same for all rows, since to measure each would lay out the page as often.
  canvas.update = (cells, cellsOf, colours, wide, high) => {
    const key = `${cells} ${wide} ${high} ${colours.key}`;
    span = cellsOf;
    told = cells;
    if (canvas.drawn === key || !wide) return;
    canvas.drawn = key;
    const width = (canvas.width = Math.round(wide * devicePixelRatio));
    canvas.height = Math.round(high * devicePixelRatio);
    const draw = canvas.getContext("2d");
    const each = width / cells.length;
    [...cells].forEach((mark, place) => {
      const value = MARKS.indexOf(mark) - 1;
      draw.fillStyle = colours[value < 0 ? "unknown" : kindOf(value)];
      draw.fillRect(Math.round(place * each), 0, Math.max(Math.round((place + 1) * each) - Math.round(place * each) - devicePixelRatio, 1), canvas.height);
    });
    const worst = Math.max(...[...cells].map((mark) => MARKS.indexOf(mark))) - 1;
    canvas.setAttribute("aria-label", worst < 0 ? "nothing known of this time" : `highest level of this time: ${worst}`);
  };
  return canvas;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const found = Object.fromEntries(Object.keys(LEGEND).map((kind) => [kind, style.getPropertyValue(`--cell-${kind}`).trim()]));
  return { ...found, key: Object.values(found).join() };
}

function machineRow(item) {
  const status = pill(item.machine.attention, item.machine.learned);
  const name = h("a", { class: "name", href: pageOf(item.machine.id) });
  const tags = h("span", { class: "muted small" });
  const its = h("span", { class: "number strong" });
  const since = h("span", { class: "number" });
  const cause = h("span", {});
  const newest = h("span", { class: "number muted" });
  const cells = strip();
  const cell = (...content) => h("div", { role: "cell" }, ...content);
  const element = h("div", { role: "row" }, cell(status), h("div", { role: "rowheader", class: "t-name" }, name, tags), cell(its), cell(since), cell(cause), cell(newest), cell(cells));
  element.strip = cells;
  element.update = ({ machine, quiet }) => {
    const flag = flags(machine);
    element.className = `t-row ${machine.attention}`;
    status.update(machine.attention, machine.learned);
    text(name, machine.label);
    text(tags, captures(machine.tags));
    name.title = [machine.name, captures(machine.tags)].filter(Boolean).join(", ");
    showLevel(its, machine.level, machine.score);
    text(since, machine.since_s ? duration(machine.newest_s - machine.since_s) : "");
    attribute(since, "title", machine.since_s ? `since ${moment(machine.since_s)}` : null);
    const blamed = machine.blamed.map(blame).join(", ");
    text(cause, [flag && `${flag}.`, blamed].filter(Boolean).join(" "));
    cause.title = machine.why || (machine.attention === "ready" || quiet ? "" : MEANS[machine.attention]);
    text(newest, quiet ? "" : moment(machine.newest_s));
  };
  return element;
}

function groupRow() {
  const name = h("span", { class: "strong" });
  const says = h("span", { class: "muted" });
  const element = h("div", { role: "row", class: "t-row t-group" }, h("div", { role: "rowheader" }, name, " ", says));
  element.update = ({ group, quiet }) => {
    text(name, group.name || "without");
    const needs = Object.entries(group.attention).filter(([kind]) => kind !== "ready" && !(kind === "silent" && group.quiet));
    text(says, [many(group.machines, "machine"), ...needs.map(([kind, number]) => `${ATTENTION[kind][0]} ${number} ${ATTENTION[kind][1]}`), group.quiet && !quiet && `nothing received since ${moment(group.newest_s)}`].filter(Boolean).join(" · "));
  };
  return element;
}

function waitingRow() {
  const element = h("div", { role: "row", class: "t-row waiting" }, h("div", { role: "cell" }, "…"));
  element.update = () => {};
  return element;
}

// `order(sort)`: somebody wants another order.
export function machineTable(order) {
  const heads = COLUMNS.map(([sort, words], at) => (sort ? h("div", { role: "columnheader" }, h("button", { type: "button", class: "sort", title: sort === "level" ? LEVEL_MEANS : "", onclick: () => { sorted = next(sort); order(sorted); } }, words)) : h("div", { role: "columnheader", class: at === COLUMNS.length - 1 ? "t-time" : "" }, words)));
  const time = heads.at(-1);
  const body = h("div", { class: "t-body", role: "rowgroup" });
  const legend = h("p", { class: "legend muted small" }, "Highest level: ", ...Object.entries(LEGEND).map(([kind, words]) => h("span", { class: `key ${kind}` }, words)));
  const grid = h("div", { class: "t-grid", role: "table", "aria-label": "Machines" }, h("div", { role: "rowgroup" }, h("div", { class: "t-row t-head", role: "row" }, ...heads)), body);
  const element = h("div", { hidden: true }, legend, grid);
  let sorted = "";
  let found = null;
  let known = new Map(); // machines by their place
  let asked = [0, 0];

  const next = (sort) => (sort === "attention" ? "" : sort === sorted ? `-${sort}` : sort === sorted.slice(1) ? "" : sort);
  const rowHeight = () => Number.parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 34;
  const rowsAll = () => (found ? found.found + found.groups.length : 0);

  // The first and last row in sight, and some more.
  function sight() {
    const height = rowHeight();
    const top = found ? body.getBoundingClientRect().top : 0;
    const first = Math.max(Math.floor(-top / height) - MARGIN, 0);
    return [first, first + Math.ceil(innerHeight / height) + 2 * MARGIN];
  }

  // The machine or group of a row.
  function itemAt(at) {
    let [low, high] = [0, found.groups.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (found.groups[middle].offset + middle <= at) low = middle + 1;
      else high = middle;
    }
    const group = low - 1;
    if (group >= 0 && found.groups[group].offset + group === at) return { key: `g${group}`, at, group: found.groups[group] };
    const place = at - low;
    const machine = known.get(place);
    return { key: machine ? `m${machine.id}` : `w${place}`, at, place, machine };
  }

  function draw() {
    if (!found || element.hidden) return;
    const [first, last] = sight();
    const height = rowHeight();
    body.style.height = `${rowsAll() * height}px`;
    const items = [];
    const seen = new Set();
    for (let at = Math.min(first, Math.max(rowsAll() - 1, 0)); at < Math.min(last, rowsAll()); at += 1) {
      const item = itemAt(at);
      if (seen.has(item.key)) item.key = `w${item.place}`; // of an earlier answer, in another place
      if (item.key.startsWith("w")) delete item.machine;
      seen.add(item.key);
      items.push({ ...item, quiet: found.quiet });
    }
    list(body, items, (item) => item.key, (item) => (item.group ? groupRow() : item.machine ? machineRow(item) : waitingRow()));
    items.forEach((item, at) => {
      body.children[at].style.top = `${item.at * height}px`;
      attribute(body.children[at], "aria-rowindex", item.at + 2);
    });
    const one = body.querySelector("canvas");
    if (one) {
      const [palette, wide, high] = [colours(), one.clientWidth, one.clientHeight];
      items.forEach((item, at) => body.children[at].strip?.update(item.machine.cells ?? "", found.cells, palette, wide, high));
    }
    return items;
  }

  let frame = 0;
  const one = {
    element,
    onscroll: () => {},
    // The part that is asked for next.
    wanted() {
      const [first, last] = sight();
      const groups = found?.groups ?? [];
      const before = (row) => row - groups.filter((group, at) => group.offset + at < row).length;
      const offset = Math.max(before(first), 0);
      asked = [offset, Math.min(Math.max(before(last) - offset, 1), MOST)];
      return { offset, limit: asked[1] };
    },
    reset() {
      known = new Map();
      if (scrollY > 0) scrollTo(0, 0);
    },
    update(answer, view, sort) {
      attribute(element, "hidden", answer?.found ? null : "");
      element.className = view;
      found = answer;
      sorted = sort;
      attribute(body, "id", answer ? "machines" : null);
      if (!answer) return;
      for (const place of known.keys()) if (Math.abs(place - answer.offset) > 4 * MOST) known.delete(place);
      answer.machines.forEach((machine, at) => known.set(answer.offset + at, machine));
      COLUMNS.forEach(([name], at) => name && attribute(heads[at], "aria-sort", directionOf(name, sort)));
      const { begin_s, cell_s } = answer.cells;
      const cells = answer.machines[0]?.cells.length ?? 0;
      text(time, `${moment(begin_s)} – ${moment(begin_s + cells * cell_s)}`);
      attribute(grid, "aria-rowcount", rowsAll() + 1);
      draw();
    },
    close() {
      removeEventListener("scroll", scrolled);
      removeEventListener("resize", scrolled);
    },
  };

  function scrolled() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      const items = draw();
      if (items?.some((item) => !item.group && !item.machine)) one.onscroll();
    });
  }
  addEventListener("scroll", scrolled, { passive: true });
  addEventListener("resize", scrolled);
  return one;
}
