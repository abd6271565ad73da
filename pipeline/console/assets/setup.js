// Changing the configuration: its text; where there is none yet, the steps of a first one.
import { change, lock, read, unlock, unlocked } from "./api.js";
import { h } from "./dom.js";
import { editor } from "./editor.js";
import { wizard } from "./wizard.js";

const NO_TOKEN = "It cannot be edited here: there is no token yet. The first start with a valid configuration makes one.";

export function setup(place) {
  const body = h("div", { id: "setup" });
  const title = h("h1", {}, "");
  place.replaceChildren(title, body);
  let editing = null;
  let steps = null;
  let asking = false;

  function locked(tokenFile) {
    if (body.querySelector("#begin")) return;
    const begin = h("button", { type: "button", class: "primary", id: "begin", onclick: () => unlock().then(refresh) }, "Unlock");
    body.replaceChildren(h("div", { class: "card" }, h("p", {}, "Changing the configuration needs the token. It is in ", h("code", {}, tokenFile), " on the computer that runs Spikewatch."), begin));
  }

  async function open() {
    if (asking) return;
    asking = true;
    const opened = await change("open", {}, { quiet: true }).catch((error) => ({ error }));
    asking = false;
    if (opened.error?.status === 401) lock();
    if (opened.error) {
      body.replaceChildren(h("p", { class: "empty bad-text", role: "alert" }, `The file cannot be opened: ${opened.error.message}.`));
      return;
    }
    editing = editor(opened);
    body.replaceChildren(h("p", { class: "muted" }, h("code", {}, opened.file)), editing.element);
  }

  async function refreshSteps() {
    if (!steps) {
      steps = wizard();
      body.replaceChildren(steps.element);
    }
    await steps.refresh();
  }

  async function refresh() {
    const [found, health] = await Promise.all([read("/api/config"), read("/api/health")]);
    title.textContent = health.setup ? "Set up Spikewatch" : "Edit the configuration";
    document.title = title.textContent;
    if (!found.editable) body.replaceChildren(h("p", { class: "empty" }, found.file ? NO_TOKEN : "The service runs without a configuration file."));
    else if (editing) editing.seen(found.tag);
    else if (!unlocked() && !steps) locked(health.token_file);
    else if (health.setup) await refreshSteps();
    else open();
    place.dataset.ready = "true";
  }
  return { refresh, close() {} };
}
