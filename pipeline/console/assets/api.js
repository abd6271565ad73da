// The service's HTTP API. Reading is open on loopback; for a write, or from elsewhere, the token is sent.
import { apiOf } from "./address.js";
import { ask, h, toast } from "./dom.js";

const TOKEN = "spikewatch.token";
const BY = "spikewatch.by";
const WAIT_MS = 8000;
export const TEST_MS = 35_000; // for a test of something else, which the service gives up before

// Kept for this tab only: whoever sits down later has to know the token too.
const kept = (name) => sessionStorage.getItem(name) ?? "";
export const unlocked = () => kept(TOKEN) !== "";
export const by = () => kept(BY);

export const LATE = "no answer in time";

// An answer that is none of those wanted. `status`: as in HTTP; 0 where no whole answer came.
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// The newest answers that are asked for again and again: where nothing has changed, it is not sent again.
const KEPT = 8;
const answers = new Map();

function keep(path, tag, content) {
  answers.delete(path);
  answers.set(path, { tag, content });
  if (answers.size > KEPT) answers.delete(answers.keys().next().value);
}

async function call(path, options = {}, wait_ms = WAIT_MS) {
  const before = options.method ? null : answers.get(path);
  const headers = { ...(before && { "if-none-match": before.tag }), ...(unlocked() && { authorization: `Bearer ${kept(TOKEN)}` }), ...options.headers };
  const none = (error) => {
    throw new Refused(0, error.name === "TimeoutError" ? LATE : "no connection to Spikewatch");
  };
  const answer = await fetch(path, { ...options, headers, signal: AbortSignal.timeout(wait_ms) }).catch(none);
  if (answer.status === 304 && before) return before.content;
  const content = await answer.json().catch(answer.ok ? none : () => ({ error: answer.statusText }));
  if (!answer.ok) throw new Refused(answer.status, content.error ?? answer.statusText);
  const tag = answer.headers.get("etag");
  if (tag && !options.method) keep(path, tag, content);
  return content;
}

export const read = (path, wait_ms = WAIT_MS) => call(path, {}, wait_ms);

const MOST = 500; // of a list in one answer
const keyOf = (one) => `${one.id}#${one.sensor ?? ""}`;

// A list from its beginning: the first answer, with as much of `name` as is wanted from further ones.
export async function readList(path, query, name, limit, wait_ms = WAIT_MS) {
  const part = (offset) => read(`${path}?${new URLSearchParams({ ...query, offset, limit: Math.min(limit - offset, MOST) })}`, wait_ms);
  const found = await part(0);
  const all = new Map(found[name].map((one) => [keyOf(one), one])); // what moved meanwhile may come twice
  for (let offset = MOST; offset < Math.min(limit, found.found); offset += MOST) {
    for (const one of (await part(offset))[name]) all.set(keyOf(one), one);
  }
  return { ...found, [name]: [...all.values()] };
}

export function lock() {
  sessionStorage.removeItem(TOKEN);
  document.dispatchEvent(new Event("unlocked"));
}

// What the service says of a token: empty where it is the right one.
async function wrongToken(token) {
  if (!/^[\x21-\x7e]+$/.test(token)) return "This is not the token.";
  try {
    await call("/api/token", { method: "POST", headers: { authorization: `Bearer ${token}` } });
    return "";
  } catch (error) {
    if (error.status === 401) return "This is not the token.";
    return error.status ? error.message : `The token could not be checked: ${error.message}.`;
  }
}

// A token that was kept may be an old one.
export async function checkKept() {
  if (unlocked() && (await wrongToken(kept(TOKEN))) === "This is not the token.") lock();
}

export async function unlock(why = "") {
  let lies = "console.token in the data folder";
  try {
    lies = (await read("/api/health")).token_file ?? lies;
  } catch {
    // Only to say where it lies.
  }
  const values = await ask(
    "Unlock",
    [
      why ? h("p", {}, why) : null,
      h("p", {}, "Commands to machines and changes of the configuration need the token. It is in ", h("code", {}, lies), "."),
      h("label", {}, "Token", h("input", { name: "token", type: "password", required: true, autocomplete: "off" })),
      h("label", {}, "Your name", h("input", { name: "by", value: by(), maxlength: "64", autocomplete: "name", placeholder: "recorded with your commands" })),
    ].filter(Boolean),
    "Unlock",
    (given) => wrongToken(given.token.trim()),
  );
  if (!values) return false;
  sessionStorage.setItem(TOKEN, values.token.trim());
  sessionStorage.setItem(BY, values.by.trim());
  document.dispatchEvent(new Event("unlocked"));
  return true;
}

// Does what needs the token, and asks for it where there is none, or it is wrong. What was answered, or null where it was
// not done: then `wrong(words)` gives the toast that says why.
async function allowed(work, wrong) {
  if (!unlocked() && !(await unlock())) return null;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status !== 401) {
        toast(wrong(error.message), true);
        return null;
      }
      lock();
      if (!(await unlock("The token is no longer valid."))) return null;
    }
  }
}

const posted = (path, body, wait_ms) => call(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }, wait_ms);

// Change something of the configuration. `quiet`: a failure is thrown, and nobody is asked.
export async function change(what, body, { quiet = false, wait_ms = WAIT_MS } = {}) {
  const work = () => posted(`/api/setup/${what}`, body, wait_ms);
  if (!quiet) return allowed(work, (words) => words);
  if (!unlocked()) throw new Refused(401, "this needs the token: press Unlock above");
  return work();
}

// Say something to a machine. True where it was done.
export async function tell(id, verb, argument = "") {
  const done = await allowed(() => posted(`${apiOf(id)}/command`, { verb, argument, by: by() }), (words) => `${verb}: ${words}`);
  if (done) toast(`${verb}${argument ? ` ${argument}` : ""}: done`);
  return Boolean(done);
}

// Send a test to a channel of notifications: `why` it did not arrive, null where it did; null where none was sent.
export async function notifyTest(channel) {
  const path = `/api/notify/test?${new URLSearchParams({ channel })}`;
  const done = await allowed(() => posted(path, {}, TEST_MS), (words) => `${channel}: ${words}`);
  return done && { why: done.channels[channel] };
}
