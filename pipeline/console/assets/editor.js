// A configuration as text: checked as it is typed, compared with the file, saved, and taken over by a new start.
import { change, read } from "./api.js";
import { attribute, h, text, toast } from "./dom.js";
import { many } from "./format.js";
import { scrolling } from "./tables.js";

const TYPING_MS = 400; // without a key, until the text is checked
const START_MS = 60_000; // in which a new start is waited for
const SIGNS = { "+": ["added", "added"], "-": ["removed", "removed"], "@": ["left-out", ""], " ": ["", ""] };

// The line is marked and moved into sight.
function goTo(area, line) {
  const lines = area.value.split("\n");
  const begin = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  area.focus();
  area.setSelectionRange(begin, begin + (lines[line - 1] ?? "").length);
  area.scrollTop = (line - 4) * (area.scrollHeight / lines.length);
}

function problemItem(area, one) {
  const place = one.line ? h("button", { type: "button", class: "link", onclick: () => goTo(area, one.line) }, `line ${one.line}`) : h("span", {}, "–");
  return h("li", {}, place, one.key ? h("code", {}, one.key) : h("span", {}), h("span", {}, one.what));
}

function changedLine([sign, line]) {
  const [name, spoken] = SIGNS[sign];
  return h("li", { class: name }, spoken ? h("span", { class: "spoken" }, `${spoken}: `) : null, h("code", {}, sign === "@" ? line || "⋯" : `${sign} ${line}`));
}

// The health of the start that follows the one which began at `before`; null where none does.
async function startedAgain(before) {
  const until = Date.now() + START_MS;
  while (Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const health = await read("/api/health").catch(() => null);
    if (health && health.started !== before) return health;
  }
  return null;
}

export async function restart() {
  const before = (await read("/api/health").catch(() => null))?.started;
  if (!(await change("restart", {}))) return;
  toast("Restarting …");
  const health = await startedAgain(before);
  if (!health) toast("Spikewatch has not answered for a minute. See its log.", true);
  else {
    toast(health.safe_mode ? "Spikewatch is in safe mode: the configuration has mistakes." : "Spikewatch runs with this configuration.", health.safe_mode);
    location.hash = health.safe_mode ? "#/configuration" : "#/";
  }
}

// `opened`: text and tag of the file; `draft`: a text to begin with, else that of the file. `first`: the service starts with
// it when it is saved.
export function editor(opened, draft = opened.text, first = false) {
  let tag = opened.tag;
  let timer = 0;
  let turn = 0;
  let sound = false; // whether the text as it stands was checked, and is worth saving
  const area = h("textarea", { id: "text", class: "yaml", spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", "aria-label": `Text of ${opened.file}`, "aria-describedby": "verdict" });
  area.value = draft;
  const verdict = h("p", { id: "verdict", role: "status" }, "Checking …");
  const problems = h("ul", { class: "problems", id: "problems" });
  const changes = scrolling(h("ol", { class: "code changes", id: "changes" }));
  const compared = h("section", { class: "card", hidden: true }, h("h2", {}, "Changes to the file"), changes);
  const save = h("button", { type: "button", class: "primary", id: "save", disabled: true, onclick: saved }, first ? "Save and start" : "Save");
  const after = h("div", { id: "after", role: "status" });
  const again = h("button", { type: "button", class: "link", onclick: () => location.reload() }, "open it again");
  const elsewhere = h("p", { class: "bad-text", id: "elsewhere", role: "alert", hidden: true }, "The file was changed by someone else since you opened it. Copy what you need, then ", again, ".");

  async function check() {
    const mine = (turn += 1);
    const found = await change("check", { text: area.value }, { quiet: true }).catch((error) => ({ error: error.message }));
    if (mine !== turn) return;
    if (found.error) {
      verdict.className = "bad-text";
      text(verdict, `Not checked: ${found.error}`);
      return;
    }
    const wrong = found.problems.length;
    sound = !wrong && found.changes.length > 0;
    save.disabled = !sound;
    attribute(area, "aria-invalid", wrong ? "true" : null);
    verdict.className = wrong ? "bad-text strong" : "strong";
    text(verdict, wrong ? `▲ ${many(wrong, "problem")}. Nothing can be saved until ${wrong === 1 ? "it is" : "they are"} fixed.` : found.changes.length ? "● Valid" : "● Valid, and the same as the file");
    problems.replaceChildren(...found.problems.map((one) => problemItem(area, one)));
    const cut = found.changes_cut ? [h("li", { class: "left-out" }, `and ${many(found.changes_cut, "more line")}`)] : [];
    changes.replaceChildren(...found.changes.map(changedLine), ...cut);
    attribute(compared, "hidden", opened.tag && found.changes.length ? null : ""); // of a new file everything is new
  }

  async function saved() {
    save.disabled = true;
    const done = await change("save", { text: area.value, tag });
    if (!done) {
      save.disabled = !sound;
      return;
    }
    tag = done.tag;
    if (first) {
      await restart();
      return;
    }
    after.replaceChildren(
      h(
        "div",
        { class: "card good" },
        h("p", {}, h("b", {}, "● Saved. "), done.kept ? "The file as it was before is kept as " : "", done.kept ? h("code", {}, done.kept) : null),
        h("p", {}, "It takes effect at the next start. A restart takes some seconds; the broker keeps QoS 1 messages meanwhile."),
        h("button", { type: "button", class: "primary", id: "restart", onclick: restart }, "Restart now"),
      ),
    );
    check();
  }

  area.addEventListener("input", () => {
    sound = false;
    save.disabled = true;
    clearTimeout(timer);
    timer = setTimeout(check, TYPING_MS);
  });
  check();
  return {
    element: h("div", { class: "editor" }, elsewhere, h("div", { class: "card" }, area, verdict, problems), compared, h("div", { class: "buttons" }, save), after),
    seen: (now) => attribute(elsewhere, "hidden", now === tag ? "" : null), // what the file is now
  };
}
