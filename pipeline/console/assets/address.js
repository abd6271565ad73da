// Where a machine is: on this page and in the API. Its id comes from the service, percent-encoded once, and is used as
// it is; it is never decoded here, so that `press%2D1` and `press-1` stay two machines.

// What somebody typed into the address bar may hold characters that would end a path.
const safe = (id) => id.replace(/[^A-Za-z0-9_.~;=%-]/gu, encodeURIComponent);

export const pageOf = (id) => `#/machines/${safe(id)}`;
export const apiOf = (id) => `/api/machines/${safe(id)}`;

// The page that a hash names, and the id of its machine; both empty where there is none.
export function placeOf(hash) {
  const [name = "", ...rest] = hash.replace(/^#\/?/, "").split("/");
  return [name, rest.join("/")];
}
