// Tables, and whatever else may be wider than its place.
import { attribute, h, text } from "./dom.js";

// What is wider than its place is scrolled there, also by the keyboard; where all of it is in sight, Tab passes by.
export function scrolling(element) {
  const look = new ResizeObserver(() => attribute(element, "tabindex", element.scrollWidth > element.clientWidth ? "0" : null));
  for (const one of [element, ...element.children]) look.observe(one);
  return element;
}

// `label`: what the table is of, for those who do not see what is above it.
export function table(label, words, id = null) {
  const body = h("tbody", { id });
  const head = h("thead", {}, h("tr", {}, ...words.map((word) => h("th", { scope: "col" }, word))));
  return { body, element: scrolling(h("div", { class: "scroll", role: "region", "aria-label": label }, h("table", {}, head, body))) };
}

// A row of a header and cells; `fill(words)` writes into these.
export function row(first, count) {
  const cells = Array.from({ length: count }, () => h("td", { class: "number" }));
  const element = h("tr", {}, first, ...cells);
  element.fill = (words) => words.forEach((word, at) => text(cells[at], word));
  return element;
}
