// State of the service itself.
import { notifyTest, read } from "./api.js";
import { attribute, h, list, text } from "./dom.js";
import { bytes, count, duration, moment, number } from "./format.js";

// Name of a counter: title, how it is written, and above which it is worth a look.
const TOLD = {
  machines: ["machines", count],
  readings: ["readings scored", count],
  messages: ["messages", count],
  bytes_in: ["received", bytes],
  points_bytes: ["points out, uncompressed", bytes],
  announcements_bytes: ["states and incidents out", bytes],
  reduction: ["bytes in for each byte out", (value) => number(value, 3)],
  lag_s: ["longest delay from arrival to disk", (value) => `${number(value * 1000, 3)} ms`, 5],
  queue: ["messages waiting", count],
  outbox: ["points waiting for the database", count],
  delivered: ["points delivered", count],
  dropped: ["points dropped", count, 0],
  buried: ["points rejected by the database", count, 0],
  upstream_outbox: ["messages waiting for the second broker", count],
  upstream_delivered: ["messages delivered to it", count],
  upstream_bytes: ["bytes delivered to it", bytes],
  upstream_dropped: ["messages for it dropped", count, 0],
  upstream_buried: ["messages rejected by it", count, 0],
  late: ["late readings", count],
  refused: ["rejected", count],
  redelivered: ["redelivered by the broker", count],
  reconnects: ["reconnects", count],
  rss_bytes: ["memory", bytes],
  cpu_s: ["processor time", (value) => `${count(value)} s`],
  disk_free_bytes: ["free disk", bytes],
  journal_bytes: ["journal since the last snapshot", bytes],
  watched: ["machines recorded row by row", count],
};
const [MESSAGES, BYTES, READINGS] = ["source_messages_", "source_bytes_", "source_readings_"]; // then the topic of a source
const WHY = {
  no_room: "limits.machines, sensors or sensors_per_machine is reached",
  no_room_group: "one group has reached limits.machines_per_group or sensors_per_group",
};

function tile() {
  const title = h("dt", {});
  const value = h("dd", { class: "number" });
  const element = h("div", { class: "tile" }, title, value);
  element.update = ([name, now, rate]) => {
    const [words, write, high] = TOLD[name];
    text(title, words);
    text(value, write(now) + (rate === null ? "" : `  ·  ${count(rate)}/s`));
    element.className = high !== undefined && now > high ? "tile attention" : "tile";
  };
  return element;
}

function connection(title) {
  const state = h("b", {});
  const where = h("span", { class: "muted" });
  const why = h("span", { class: "bad-text" });
  const element = h("section", { class: "card connection" }, h("h2", {}, title), state, where, why);
  element.update = (reached, at, words, reason) => {
    element.className = `card connection ${reached ? "good" : "bad"}`;
    text(state, reached ? "● connected" : `▲ ${words}`);
    text(where, at);
    text(why, reached ? "" : reason);
  };
  return element;
}

// Why nothing of a source can be read, with its key for the list.
function unreadable(one) {
  const causes = Object.entries(one.causes).map(([cause, times]) => `${count(times)} ${cause}`).join(", ");
  return [`source ${one.source}`, `No reading in the last ${count(one.messages)} messages of ${one.source}, since ${moment(one.since_s)}: ${causes}. For example ${one.topic}: ${one.why}.`];
}

function behind(one) {
  return [`clock ${one.machine}`, `Readings of ${one.machine} arrive ${duration(one.behind_s)} after the time they carry: check its clock, or time_zone of the source.`];
}

// The channels of notifications, and what became of the last test of each.
function notifications() {
  const channels = h("ul", { class: "causes", id: "channels" });
  const all = h("button", { type: "button", onclick: () => test([...channels.children]) }, "Send a test to all");
  const element = h("section", { class: "card", id: "notifications", hidden: true }, h("h2", {}, "Notifications"), channels, h("div", { class: "buttons" }, all));

  // One after the other, since each may take its time.
  async function test(rows) {
    const buttons = element.querySelectorAll("button");
    for (const one of buttons) one.disabled = true;
    for (const row of rows) {
      row.say("", "Sending …");
      const answer = await notifyTest(row.itemKey);
      if (!answer) row.say("", "");
      else if (answer.why) row.say("bad-text", `▲ The test did not arrive: ${answer.why}`);
      else row.say("good-text", "● The test arrived.");
      if (!answer) break; // a toast says why
    }
    for (const one of buttons) one.disabled = false;
  }

  function row({ name }) {
    const state = h("span", {});
    const said = h("span", { role: "status" });
    const button = h("button", { type: "button", class: "quiet", "aria-label": `Send a test to ${name}`, onclick: () => test([one]) }, "Send a test");
    const one = h("li", { class: "channel" }, h("b", {}, name), state, button, said);
    one.say = (kind, words) => {
      said.className = kind;
      text(said, words);
    };
    one.update = (now) => {
      const sent = now.trouble ? `▲ ${now.trouble}, since ${moment(now.since_s)}` : now.sent_s ? `last sent ${moment(now.sent_s)}` : "nothing sent yet";
      text(state, now.unsent ? `${sent}; ${count(now.unsent)} waiting` : sent);
      state.className = now.trouble ? "bad-text" : "muted";
    };
    return one;
  }

  element.update = (now) => {
    attribute(element, "hidden", now.length ? null : "");
    attribute(all, "hidden", now.length > 1 ? null : "");
    list(channels, now, (one) => one.name, row);
  };
  return element;
}

export function service(place) {
  const broker = connection("Broker");
  const database = connection("Database");
  const upstream = connection("Second broker");
  const notified = notifications();
  const tiles = h("dl", { class: "tiles", id: "figures" });
  const causes = h("ul", { class: "causes" });
  const sources = h("ul", { class: "causes", id: "sources" });
  const senders = h("ul", { class: "causes", id: "senders" });
  const wrong = h("section", { class: "card bad", hidden: "" }, h("h2", {}, "Check the data sources"), senders);
  const none = h("p", { class: "muted" }, "Nothing rejected.");
  let before = null;
  place.replaceChildren(
    h("h1", {}, "Service"),
    h("div", { class: "grid" }, broker, database, upstream),
    wrong,
    notified,
    tiles,
    h("section", { class: "card" }, h("h2", {}, "Received, by source"), sources),
    h("section", { class: "card" }, h("h2", {}, "Rejected, by cause"), none, causes),
    h("p", { class: "muted small" }, "For programs: ", h("a", { href: "/metrics" }, "/metrics"), " (Prometheus), ", h("a", { href: "/healthz" }, "/healthz"), ", ", h("a", { href: "/readyz" }, "/readyz"), ", ", h("a", { href: "/api/openapi.json" }, "/api/openapi.json"), "."),
  );

  async function refresh() {
    const found = await read("/api/health");
    if (found.safe_mode) {
      location.hash = "#/configuration";
      return;
    }
    document.title = "Service";
    broker.update(found.broker_reached, found.broker, `disconnected since ${moment(found.broker_since_s)}`, "retrying; QoS 1 messages are kept by the broker");
    const words = (since) => since === null ? "rejects data" : `not reached since ${moment(since)}`;
    database.update(found.database_away === null, found.database, words(found.database_since_s), `${found.database_away}; retrying, points are kept on disk`);
    notified.update(found.notify);
    attribute(upstream, "hidden", found.upstream === null ? "" : null);
    const why = found.upstream_away;
    upstream.update(
      why === null && found.figures.upstream_connected === 1,
      found.upstream ?? "",
      why === null ? "not connected" : words(found.upstream_since_s),
      why === null ? "connects when there is a message to send" : `${why}; retrying, messages are kept on disk`,
    );
    const now = performance.now() / 1000;
    const rate = (name) => {
      if (!before || !["readings", "messages", "delivered"].includes(name)) return null;
      return Math.max(0, (found.figures[name] - before.figures[name]) / Math.max(now - before.at, 0.5));
    };
    list(tiles, Object.keys(TOLD).filter((name) => name in found.figures).map((name) => [name, found.figures[name], rate(name)]), ([name]) => name, tile);
    before = { figures: found.figures, at: now };
    const topics = Object.keys(found.figures).filter((name) => name.startsWith(MESSAGES)).map((name) => name.slice(MESSAGES.length));
    list(sources, topics.map((topic) => [topic, found.figures[MESSAGES + topic], found.figures[BYTES + topic], found.figures[READINGS + topic]]), ([topic]) => topic, () => {
      const words = h("span", {});
      const many = h("b", { class: "number" });
      const one = h("li", {}, many, words);
      one.update = ([topic, messages, size, readings]) => {
        text(many, count(messages));
        text(words, ` messages, ${bytes(size)}, ${count(readings)} readings: ${topic}`);
      };
      return one;
    });
    attribute(wrong, "hidden", found.unreadable.length + found.clocks.length ? null : "");
    list(senders, [...found.unreadable.map(unreadable), ...found.clocks.map(behind)], ([key]) => key, () => {
      const one = h("li", {});
      one.update = ([, words]) => text(one, words);
      return one;
    });
    const refused = Object.entries(found.figures).filter(([name]) => name.startsWith("refused_"));
    attribute(none, "hidden", refused.length ? "" : null);
    list(causes, refused, ([name]) => name, () => {
      const words = h("span", {});
      const many = h("b", { class: "number" });
      const one = h("li", {}, many, words);
      one.update = ([name, value]) => {
        const cause = name.slice("refused_".length);
        text(many, count(value));
        text(words, ` ${cause}${WHY[cause] ? `: ${WHY[cause]}` : ""}`);
      };
      return one;
    });
    place.dataset.ready = "true";
  }
  return { refresh, close() {} };
}
