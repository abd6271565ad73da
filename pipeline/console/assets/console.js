// The page: which part is shown, and that it is looked at once a second while somebody can see it.
import { placeOf } from "./address.js";
import { by, lock, read, unlock, unlocked } from "./api.js";
import { configuration } from "./configuration.js";
import { attribute, h, text } from "./dom.js";
import { incidents } from "./incidents.js";
import { machine } from "./machine.js";
import { machines } from "./machines.js";
import { service } from "./service.js";

const EVERY_MS = 1000;
const PAGES = { "": machines, incidents, service, configuration };
const main = document.getElementById("main");
const live = document.getElementById("live");
let page = null;
let timer = 0;
let turn = 0;
let covered = false; // a message stands where the page would be

function alive(good, words) {
  text(live, words);
  live.className = good ? "live on" : "live off";
}

async function look() {
  clearTimeout(timer);
  const mine = turn;
  if (!document.hidden) {
    try {
      await page.refresh();
      alive(true, "live");
      if (covered) return show();
    } catch (error) {
      if (mine === turn) {
        alive(false, error.status ? "waiting" : "not reached");
        if (error.status === 401 && !document.getElementById("dialog").open) await unlock("Reading from here needs the token.");
        if (error.status === 404) cover(h("p", { class: "empty" }, "There is no such machine (yet). ", h("a", { href: "#/" }, "All machines")));
        if (error.status === 503) await starting(error);
      }
    }
  }
  if (mine === turn) timer = setTimeout(look, EVERY_MS);
}

function cover(message) {
  covered = true;
  main.replaceChildren(message);
}

// Not there yet, or safe mode: the page says which.
async function starting(error) {
  const health = await read("/api/health").catch(() => null);
  if (health?.safe_mode && location.hash !== "#/configuration") location.hash = "#/configuration";
  else if (!main.dataset.ready) cover(h("div", { class: "empty" }, h("h2", {}, "Starting"), h("p", {}, `${error.message}. The first start compiles the network, which takes about a minute.`)));
}

function show() {
  if (location.hash.startsWith("#main")) return;
  const [name, id] = placeOf(location.hash);
  turn += 1;
  covered = false;
  page?.close();
  delete main.dataset.ready;
  const known = name === "machines" ? "" : name in PAGES ? name : "";
  page = name === "machines" && id ? machine(main, id) : PAGES[known](main);
  for (const link of document.querySelectorAll("#pages a")) {
    attribute(link, "aria-current", link.dataset.page === (known || "machines") ? "page" : null);
  }
  scrollTo(0, 0);
  look();
}

const button = document.getElementById("unlock");
const name = () => text(button, unlocked() ? `Lock${by() ? ` (${by()})` : ""}` : "Unlock");
button.addEventListener("click", () => (unlocked() ? lock() : unlock()));
document.addEventListener("unlocked", name);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.addEventListener("visibilitychange", () => !document.hidden && look());
addEventListener("hashchange", show);
name();
show();
