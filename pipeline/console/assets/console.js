// The page: which part is shown, and that it is looked at once a second while somebody can see it.
import { placeOf } from "./address.js";
import { by, checkKept, lock, read, Refused, unlock, unlocked } from "./api.js";
import { attribute, h, text, toast } from "./dom.js";
import { moment } from "./format.js";
import { machines } from "./machines.js";

const EVERY_MS = 1000;
const LATE_MS = 5000; // after which a service that does not answer is not reached, unless a page states `patience_ms`
let library = null; // a promise once it is asked for
function chartLibrary() {
  library ??= new Promise((resolve, reject) => {
    const script = h("script", { src: "/assets/uPlot.iife.min.js", onload: resolve, onerror: () => {
      library = null;
      reject(new Error("the library of charts cannot be fetched"));
    } });
    document.head.append(h("link", { rel: "stylesheet", href: "/assets/uPlot.min.css" }), script);
  });
  return library;
}
// Pages but the first are fetched when they are wanted, and all of them once the first is there: over a thin line the
// list of machines is seen sooner, and no page is missing when the service does not answer any more.
const PAGES = {
  "": async () => machines,
  incidents: async () => (await import("./incidents.js")).incidents,
  ageing: async () => (await import("./ageing.js")).ageing,
  service: async () => (await import("./service.js")).service,
  configuration: async () => (await import("./configuration.js")).configuration,
  setup: async () => (await import("./setup.js")).setup,
};
const ONE = {
  machines: async () => (await Promise.all([import("./machine.js"), chartLibrary()]))[0].machine,
  incidents: async () => (await Promise.all([import("./incident.js"), chartLibrary()]))[0].incident,
};
let others = false; // have been fetched, too
const main = document.getElementById("main");
const banner = document.getElementById("banner");
let page = null;
let timer = 0;
let turn = 0;
let asked = 0; // when the question was put that is not answered yet; 0 for none
let fresh = Date.now(); // when what is shown was told

function sign(name, kind, words) {
  const element = document.getElementById(name);
  text(element, words);
  element.className = `sign ${kind}`;
}

function warn(kind, words) {
  text(banner, words);
  banner.className = kind;
  banner.hidden = !words;
  document.body.classList.toggle("stale", kind === "lost");
}

// What is known of the service, its broker and its database.
function connected(health) {
  fresh = Date.now();
  document.body.classList.toggle("safe-mode", health.safe_mode && !health.setup);
  document.body.classList.toggle("setup-mode", health.safe_mode && health.setup);
  if (health.safe_mode) {
    sign("live", "off", health.setup ? "not set up" : "safe mode");
    warn("", "");
    return;
  }
  const broker = health.broker_reached;
  sign("live", broker ? "on" : "off", broker ? "live" : "no new readings");
  sign("broker", broker ? "on" : "off", broker ? "broker" : "broker disconnected");
  sign("database", health.database_away === null ? "on" : "off", health.database_away === null ? "database" : "database disconnected");
  if (!broker) warn("", `The broker has been disconnected since ${moment(health.broker_since_s)}: no new readings arrive. The states below are from before that.`);
  else if (health.unreadable.length) warn("", `No message of ${health.unreadable.map((one) => one.source).join(", ")} can be read, so its machines are not monitored. See page Service.`);
  else warn("", "");
}

function unknown(words, warning) {
  sign("live", "off", words);
  sign("broker", "", "broker unknown");
  sign("database", "", "database unknown");
  const known = main.dataset.ready ? "What is shown is from before that." : "Nothing is known yet.";
  if (warning) warn("lost", `${warning} since ${moment(fresh / 1000)}. ${known} Trying again every second.`);
}

const lost = () => unknown("not connected", "No connection to Spikewatch");

async function look() {
  clearTimeout(timer);
  const mine = turn;
  if (!document.hidden && page) {
    asked = Date.now();
    try {
      await page.refresh(); // first, and alone: what was asked for is to be seen soon
      const health = await read("/api/health");
      if (mine === turn) connected(health);
      fetchOthers();
      if (mine === turn && main.dataset.covered) return show();
    } catch (error) {
      if (mine === turn) await failed(error);
    }
    asked = 0;
  }
  if (mine === turn) timer = setTimeout(look, EVERY_MS);
}

// An error of the page itself: told as one, and left for the browser's console.
function broken(error) {
  unknown("page error", `This page has an error (${error.message})`);
  reportError(error);
}

async function failed(error) {
  if (!(error instanceof Refused)) broken(error);
  else if (!error.status) lost();
  else if (error.status === 401) {
    unknown("locked", "");
    asked = 0;
    if (!document.getElementById("dialog").open) await unlock("Reading from here needs the token.");
  } else if (error.status === 404 || error.status === 400) {
    const words = /^there is no such incident/.test(error.message) ? "There is no such incident (any more)." : "There is no such machine (yet).";
    cover(h("div", { class: "empty" }, h("h1", {}, words), h("p", {}, h("a", { href: "#/" }, "All machines"))));
    const mine = turn;
    const health = await read("/api/health").catch(() => null);
    if (health && mine === turn) connected(health);
  } else {
    unknown("waiting", main.dataset.ready ? "Spikewatch is starting or busy, and has not answered" : "");
    if (error.status === 503) await starting(error);
  }
}

function cover(message) {
  main.dataset.covered = "true";
  main.replaceChildren(message);
}

// Not there yet, or safe mode: the page says which.
async function starting(error) {
  const health = await read("/api/health").catch(() => null);
  if (health?.setup) location.hash = "#/setup";
  else if (health?.safe_mode && !["#/configuration", "#/setup"].includes(location.hash)) location.hash = "#/configuration";
  else if (!main.dataset.ready) cover(h("div", { class: "empty" }, h("h1", {}, "Starting"), h("p", {}, `${error.message}.`)));
}

async function show() {
  if (location.hash.startsWith("#main")) return;
  const [name, id, query] = placeOf(location.hash);
  turn += 1;
  page?.close();
  delete main.dataset.ready;
  delete main.dataset.covered;
  const known = name === "machines" ? "" : name in PAGES ? name : "";
  page = null;
  clearTimeout(timer);
  for (const link of document.querySelectorAll("#pages a")) {
    attribute(link, "aria-current", link.dataset.page === (known === "setup" ? "configuration" : known || "machines") ? "page" : null);
  }
  scrollTo(0, 0);
  const mine = turn;
  const make = await (id && name in ONE ? ONE[name] : PAGES[known])().catch(() => null);
  if (mine !== turn) return;
  if (!make) {
    lost();
    timer = setTimeout(show, EVERY_MS);
    return;
  }
  try {
    page = id && name in ONE ? make(main, id, query) : make(main, query);
    look();
  } catch (error) {
    broken(error);
  }
}

function fetchOthers() {
  if (others) return;
  others = true;
  for (const one of [...Object.values(PAGES), ...Object.values(ONE)]) one().catch(() => { others = false; });
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
setInterval(() => asked && !document.hidden && Date.now() - asked > (page?.patience_ms ?? LATE_MS) && lost(), EVERY_MS);
addEventListener("hashchange", show);
// That the service does not answer is told by the next look.
addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof Refused) event.preventDefault();
  else toast(`This page has an error: ${event.reason?.message ?? event.reason}`, true);
});
name();
checkKept();
show();
