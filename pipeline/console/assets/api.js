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

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function call(path, options = {}) {
  const headers = { ...options.headers };
  if (unlocked()) headers.authorization = `Bearer ${kept(TOKEN)}`;
  const answer = await fetch(path, { ...options, headers, signal: AbortSignal.timeout(WAIT_MS) });
  const content = await answer.json().catch(() => ({ error: answer.statusText }));
  if (!answer.ok) throw new Refused(answer.status, content.error ?? answer.statusText);
  return content;
}

export const read = (path) => call(path);

export function lock() {
  sessionStorage.removeItem(TOKEN);
  document.dispatchEvent(new Event("unlocked"));
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
      why ? h("p", { class: "bad-text", role: "alert" }, why) : null,
      h("p", {}, "Reading is open; to answer a machine you need the token. It is in ", h("code", {}, lies), "."),
      h("label", {}, "Token", h("input", { name: "token", type: "password", required: true, autocomplete: "off" })),
      h("label", {}, "Your name", h("input", { name: "by", value: by(), maxlength: "64", autocomplete: "name", placeholder: "kept with what you say" })),
    ].filter(Boolean),
    "Unlock",
  );
  if (!values) return false;
  sessionStorage.setItem(TOKEN, values.token.trim());
  sessionStorage.setItem(BY, values.by.trim());
  document.dispatchEvent(new Event("unlocked"));
  return true;
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
      if (!(await unlock("That token was refused."))) return false;
    }
  }
}
