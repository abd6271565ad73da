// Where a machine is: on this page and in the API. Its id comes from the service, percent-encoded once, and is used as
// it is; it is never decoded here, so that `press%2D1` and `press-1` stay two machines.

// What somebody typed into the address bar may hold characters that would end a path.
const safe = (id) => id.replace(/[^A-Za-z0-9_.~;=%-]/gu, encodeURIComponent);

export const pageOf = (id) => `#/machines/${safe(id)}`;
export const apiOf = (id) => `/api/machines/${safe(id)}`;
export const incidentPageOf = (id, number) => `#/incidents/${safe(id)}/${safe(String(number))}`;
export const incidentApiOf = (id, number) => `${apiOf(id)}/incidents/${safe(String(number))}`;

// A value that is empty is none: links made elsewhere (Grafana's) name every capture, also where a machine has none.
const filled = (id) => id.replace(/;[^;=/]*=(?=[;/]|$)/g, "");

// The page that a hash names, the id of its machine (both empty where there is none), and how it is to look.
export function placeOf(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name = "", ...rest] = path.split("/");
  return [name, filled(rest.join("/")), new URLSearchParams(query)];
}

// How the page looks now goes into its address, so that it can be sent; no step to go back to.
export function remember(query) {
  const [path] = location.hash.split("?");
  const text = query.toString();
  history.replaceState(null, "", `${path || "#/"}${text ? `?${text}` : ""}`);
}
