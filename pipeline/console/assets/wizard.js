// A first configuration, step by step: broker, traffic, sensors, database, and the text that comes of it.
import { change, TEST_MS, unlocked } from "./api.js";
import { attribute, h, text, toast } from "./dom.js";
import { editor } from "./editor.js";
import { preview, sensorTable } from "./preview.js";

const SECRETS = { none: "none", typed: "type it here", env: "from an environment variable", file: "from a file" };

const field = (label, input, hint = null) => h("label", { class: "field" }, label, input, hint ? h("span", { class: "muted small" }, hint) : null);
const input = (name, properties = {}) => h("input", { name, type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", ...properties });
const select = (name, options) => h("select", { name }, ...Object.entries(options).map(([value, words]) => h("option", { value }, words)));
const given = (value) => value.trim() || null;

// Where a password or token is: `value()` gives {typed} or {known}.
function secretField(label, name) {
  let kept = null; // the file that the service has put it into
  const kind = select(`${name}-kind`, SECRETS);
  const value = input(`${name}-value`, { hidden: true, "aria-label": label });
  const note = h("span", { class: "muted small" });
  function shown() {
    kept = null;
    attribute(value, "hidden", kind.value === "none" ? "" : null);
    value.value = "";
    value.type = kind.value === "typed" ? "password" : "text";
    value.placeholder = { typed: "", env: "MQTT_PASSWORD", file: "/run/secrets/…", none: "" }[kind.value];
    text(note, kind.value === "typed" ? "Once it has worked, it is kept in a file that only the account of the service may read; never in the configuration." : "");
  }
  kind.addEventListener("change", shown);
  value.addEventListener("input", () => (kept = null));
  return {
    element: h("div", { class: "field" }, h("label", { class: "field" }, label, kind), value, note),
    keep: (known) => {
      kept = known;
      if (known?.file && kind.value === "typed") text(note, `Kept in ${known.file}.`);
    },
    value() {
      if (kept) return { known: kept, typed: null };
      if (kind.value === "typed") return { known: null, typed: value.value || null };
      return { known: kind.value === "none" ? null : { [kind.value]: value.value.trim() }, typed: null };
    },
  };
}

// A button, and what came of it below. `ask()` gives the answer, which `take(answer)` makes use of and puts into words.
function tried(words, ask, take) {
  const said = h("p", { role: "status", class: "said" });
  let turn = 0;
  const say = (kind, what) => {
    said.className = `said ${kind}`;
    text(said, what);
  };
  const button = h("button", {
    type: "button",
    onclick: async () => {
      const mine = (turn += 1);
      button.disabled = true;
      say("", "Trying …");
      try {
        const answer = await ask();
        if (mine === turn) say("good-text", `● ${take(answer)}`);
      } catch (error) {
        if (mine === turn) say("bad-text", `▲ ${error.message}`);
      }
      button.disabled = false;
    },
  }, words);
  // What was tried is no longer what is written there; an answer that is still to come is of no use.
  const forget = (what = "") => {
    turn += 1;
    say("", what);
  };
  return { button, said, say, forget };
}

const asked = (what, body) => change(what, body, { quiet: true, wait_ms: TEST_MS });

function brokerStep(state, done) {
  const url = input("url", { value: "mqtt://127.0.0.1:1883", inputmode: "url" });
  const user = input("username");
  const password = secretField("Password", "password");
  const insecure = h("input", { name: "insecure", type: "checkbox" });
  const broker = () => {
    const { known, typed } = password.value();
    return { url: given(url.value), username: given(user.value), password: known, typed, insecure_password: insecure.checked };
  };
  const test = tried("Test the connection", () => asked("broker", broker()), (found) => {
    password.keep(found.password);
    state.broker = { ...broker(), password: found.password, typed: null };
    done(true);
    return `Connected in ${found.took_ms} ms${found.version ? `: ${found.version}` : ""}.`;
  });
  test.button.classList.add("primary");
  test.button.id = "test-broker";
  const without = h("button", { type: "button", class: "link", id: "embedded", onclick: () => {
    state.broker = {};
    done(false);
    test.forget("An embedded broker will listen on this computer, for testing only. Machines publish to plant/{machine} or plant/{machine}/{sensor}.");
  } }, "Try it without a broker of your own");
  const form = h("div", { class: "fields" }, field("Address", url, "mqtt://host:1883, or mqtts://host:8883 with TLS"), field("User name", user, "empty: none"), password.element, h("label", { class: "check" }, insecure, "Allow the password to be sent unencrypted (mqtt://) to another host"));
  form.addEventListener("input", () => {
    test.forget();
    state.broker = null;
    done(null);
  });
  return h("section", { class: "card step", id: "step-broker" }, h("h2", {}, "1. Broker"), form, h("div", { class: "buttons" }, test.button, without), test.said);
}

function trafficStep(state, done) {
  const topic = input("topic", { value: "#" });
  const seconds = input("seconds", { value: "20", inputmode: "numeric", type: "number", min: "1", max: "300" });
  const shown = preview(state);
  const start = tried("Listen", () => asked("listen", { broker: state.broker, topic: topic.value.trim() || "#", seconds: Number(seconds.value) || 20 }), (found) => {
    shown.forget();
    shown.update(found);
    state.listening = true;
    return "Listening. What is understood so far appears below; nothing is written.";
  });
  start.button.classList.add("primary");
  start.button.id = "listen";
  const element = h("section", { class: "card step", id: "step-traffic", hidden: true }, h("h2", {}, "2. Traffic"), h("div", { class: "fields" }, field("Topics", topic, "a filter with + and #"), field("Seconds", seconds, "longer than the slowest machine's interval")), h("div", { class: "buttons" }, start.button), start.said, shown.element);
  element.refresh = async () => {
    if (!state.listening || !state.broker?.url || !unlocked()) return;
    const found = await asked("heard", {}).catch((error) => {
      if (error.status !== 409) throw error;
      state.listening = false; // the service has started anew since
      start.say("bad-text", `▲ ${error.message}: press Listen again.`);
    });
    if (!found) return;
    state.listening = found.listening;
    shown.update(found);
    if (!found.listening && found.error) start.say("bad-text", `▲ ${found.error}`);
    else if (!found.listening) start.say("good-text", `● ${found.messages} messages heard${found.full ? ", which is enough" : ""}.`);
    if (found.sources.length) done(found);
  };
  return element;
}

function databaseStep(state) {
  const kind = select("database-kind", { embedded: "embedded store in the data folder (nothing to install)", bucket: "InfluxDB 2, 3 or 1.8 (bucket)", database: "InfluxDB 1.x (database)" });
  const url = input("database-url", { value: "http://localhost:8086", inputmode: "url" });
  const bucket = input("bucket", { value: "machines" });
  const org = input("org");
  const user = input("database-user");
  const secret = secretField("Token or password", "database-secret");
  const insecure = h("input", { name: "database-insecure", type: "checkbox" });
  const wanted = () => {
    const { known, typed } = secret.value();
    const byBucket = kind.value === "bucket";
    const name = { [byBucket ? "bucket" : "database"]: given(bucket.value) };
    return { url: url.value.trim(), ...name, ...(byBucket ? { org: org.value.trim() } : { username: given(user.value) }), secret: known, typed, insecure_password: insecure.checked };
  };
  const test = tried("Test the database", () => asked("database", wanted()), (found) => {
    secret.keep(found.secret);
    state.database = { ...wanted(), secret: found.secret, typed: null };
    return `It ${found.found}.`;
  });
  test.button.id = "test-database";
  const organisation = field("Organisation", org);
  const person = field("User name", user, "empty: none");
  const influx = h("div", { hidden: true }, h("div", { class: "fields" }, field("Address", url), field("Bucket or database", bucket), organisation, person, secret.element, h("label", { class: "check" }, insecure, "Allow it to be sent unencrypted to another host")), h("div", { class: "buttons" }, test.button), test.said);
  state.untested = () => kind.value !== "embedded" && !state.database;
  influx.addEventListener("input", () => {
    state.database = null;
    test.forget();
  });
  kind.addEventListener("change", () => {
    state.database = null;
    test.forget(kind.value === "embedded" ? "" : "It is used once the test has succeeded.");
    attribute(influx, "hidden", kind.value === "embedded" ? "" : null);
    attribute(organisation, "hidden", kind.value === "bucket" ? null : "");
    attribute(person, "hidden", kind.value === "database" ? null : "");
  });
  return h("section", { class: "card step", id: "step-database", hidden: true }, h("h2", {}, "4. Database"), h("div", { class: "fields" }, field("Where the scores go", kind)), influx);
}

function saveStep(state) {
  const place = h("div", {});
  const show = h("button", { type: "button", class: "primary", id: "review", onclick: async () => {
    if (state.untested()) {
      toast("Test the database first, or choose the embedded store.", true);
      return;
    }
    const opened = await change("open", {});
    const draft = opened && (await change("draft", { broker: state.broker, sources: state.sources(), sensors: state.sensors(), database: state.database }));
    if (draft) place.replaceChildren(editor(opened, draft.text, true).element);
  } }, "Show the configuration");
  return h("section", { class: "card step", id: "step-save", hidden: true }, h("h2", {}, "5. Check and save"), h("p", { class: "muted" }, "This is what will be written. It can be changed here too; press the button again after changes above."), h("div", { class: "buttons" }, show), place);
}

export function wizard() {
  const sensors = sensorTable();
  const state = { broker: null, database: null, listening: false, sources: () => [], sensors: sensors.value };
  const database = databaseStep(state);
  const save = saveStep(state);
  const named = h("section", { class: "card step", id: "step-sensors", hidden: true }, h("h2", {}, "3. Sensors"), h("p", { class: "muted" }, "All of this is optional. The unit is shown in the reasons of alarms; at its limit a machine needs service; what is ignored is not watched."), sensors.element);
  const show = (steps, yes) => steps.forEach((one) => attribute(one, "hidden", yes ? null : ""));
  const traffic = trafficStep(state, (found) => {
    sensors.update(found.sensors);
    show([named, database, save], true);
  });
  // `own`: whether it is a broker of the plant; false for the embedded one, null where none is known yet.
  const broker = brokerStep(state, (own) => {
    const heard = own && traffic.querySelector(".source") !== null;
    show([traffic], own);
    show([named], heard);
    show([database, save], heard || own === false);
  });
  return { element: h("div", {}, h("p", {}, "There is no configuration yet. Five short steps make one. The file is written in the last; before that only a password that you type, once it has worked, and a point for the test of a database."), broker, traffic, named, database, save), refresh: traffic.refresh };
}
