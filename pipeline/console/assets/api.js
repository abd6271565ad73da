// The service's HTTP API. Reading is open on loopback; for a write, or from elsewhere, the token is sent.
import { apiOf } from "./address.js";
import { ask, h, toast } from "./dom.js";

const TOKEN = "spikewatch.token";
const BY = "spikewatch.by";
const WAIT_MS = 8000;

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

// Change something of the configuration; asks for the token where there is none, or it is wrong. What was answered, or
// null where it was not done: then a toast says why. `quiet`: a failure is thrown, and nobody is asked.
export async function change(what, body, { quiet = false, wait_ms = WAIT_MS } = {}) {
  if (!unlocked() && quiet) throw new Refused(401, "this needs the token: press Unlock above");
  if (!unlocked() && !(await unlock())) return null;
  for (;;) {
    try {
      return await call(`/api/setup/${what}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }, wait_ms);
    } catch (error) {
      if (quiet) throw error;
      if (error.status !== 401) {
        toast(error.message, true);
        return null;
      }
      lock();
      if (!(await unlock("The token is no longer valid."))) return null;
    }
  }
}

// Say something to a machine; asks for the token where there is none, or it is wrong. True where it was done.
export async function tell(id, verb, argument = "") {
  if (!unlocked() && !(await unlock())) return false;
  for (;;) {
    try {
      await call(`${apiOf(id)}/command`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ verb, argument, by: by() }),
      });
      toast(`${verb}${argument ? ` ${argument}` : ""}: done`);
      return true;
    } catch (error) {
      if (error.status !== 401) {
        toast(`${verb}: ${error.message}`, true);
        return false;
      }
      lock();
      if (!(await unlock("The token is no longer valid."))) return false;
    }
  }
}
