// A Sparkplug edge node with one device, of sparkplug-client: the reference implementation in JavaScript.
//
//     node edge.js PORT ALIAS_OF_TEMP ALIAS_OF_RPM FIRST
//
// Obeys lines on its input: `data N` sends N messages of values that nobody sent before, `leave` says goodbye. Answers
// a command for a rebirth. Writes a line of JSON for every value that it publishes, and for every birth.
"use strict";
const sparkplug = require("sparkplug-client");
const readline = require("readline");

const [port, temp, rpm, first] = process.argv.slice(2).map(Number);
const device = "press-1";
let count = first;
let time = Date.now();

const client = sparkplug.newClient({
  serverUrl: `mqtt://127.0.0.1:${port}`,
  username: "", password: "",
  groupId: "plant", edgeNode: "edge", clientId: "edge", version: "spBv1.0", publishDeath: true,
});

function say(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

function values(named) {
  time = Math.max(time + 1, Date.now());
  // Names only at birth: afterwards a metric is known by its alias alone.
  const metric = (name, alias, type, value) => ({ ...(named ? { name } : {}), alias, type, value, timestamp: time });
  say({ sensor: "temp", value: count, time });
  say({ sensor: "rpm", value: -100000 - count, time });
  return {
    timestamp: time,
    metrics: [metric("temp", temp, "Double", count), metric("rpm", rpm, "Int32", -100000 - count)],
  };
}

function birth() {
  client.publishNodeBirth({
    timestamp: Date.now(),
    metrics: [{ name: "Node Control/Rebirth", type: "Boolean", value: false, timestamp: Date.now() }],
  });
  client.publishDeviceBirth(device, values(true));
  say({ born: true });
}

client.on("birth", birth);
client.on("ncmd", (payload) => {
  if (payload.metrics.some((metric) => metric.name === "Node Control/Rebirth" && metric.value)) birth();
});

const input = readline.createInterface({ input: process.stdin });
// Whoever started us has gone: last words have two seconds.
input.on("close", () => setTimeout(() => process.exit(), 2000).unref());
input.on("line", (line) => {
  const [verb, many] = line.split(" ");
  if (verb === "leave") {
    client.publishDeviceDeath(device, { timestamp: Date.now() });
    client.stop();
    return;
  }
  for (let n = 0; n < Number(many); n++) {
    count += 1;
    client.publishDeviceData(device, values(false));
  }
  say({ sent: count });
});
