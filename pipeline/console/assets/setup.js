// Changing the configuration.
import { change, read, unlock, unlocked } from "./api.js";
import { h } from "./dom.js";
import { editor } from "./editor.js";

const NO_TOKEN = "It cannot be edited here: there is no token yet. The first start with a valid configuration makes one.";

export function setup(place) {
  const body = h("div", { id: "setup" });
  place.replaceChildren(h("h1", {}, "Edit the configuration"), body);
  let editing = null;
  let asking = false;

  function locked() {
    if (body.querySelector("#begin")) return;
    const begin = h("button", { type: "button", class: "primary", id: "begin", onclick: () => unlock().then(open) }, "Unlock");
    body.replaceChildren(h("div", { class: "card" }, h("p", {}, "Changing the configuration needs the token."), begin));
  }

  async function open() {
    if (!unlocked() || asking || editing) return;
    asking = true;
    const opened = await change("open", {});
    asking = false;
    if (!opened) return;
    editing = editor(opened);
    body.replaceChildren(h("p", { class: "muted" }, h("code", {}, opened.file)), editing.element);
  }

  async function refresh() {
    const found = await read("/api/config");
    document.body.classList.toggle("safe-mode", !found.running);
    if (!found.editable) body.replaceChildren(h("p", { class: "empty" }, found.file ? NO_TOKEN : "The service runs without a configuration file."));
    else if (editing) editing.seen(found.tag);
    else if (unlocked()) open();
    else locked();
    place.dataset.ready = "true";
  }
  return { refresh, close() {} };
}
