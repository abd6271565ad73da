// Elements from data, and lists that keep the elements they have: what has the focus keeps it while the page is live.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

export function attribute(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// `make(item)` gives an element with a method `update(item)`; elements are found again by `key(item)`.
export function list(parent, items, key, make) {
  const known = new Map([...parent.children].map((child) => [child.itemKey, child]));
  const wanted = items.map((item) => {
    const name = key(item);
    const element = known.get(name) ?? make(item);
    element.itemKey = name;
    known.delete(name);
    element.update(item);
    return element;
  });
  for (const element of known.values()) element.remove();
  wanted.forEach((element, at) => {
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
  });
}

// One of several contents of a place; made anew only when `key` changes.
export function only(parent, key, make) {
  if (parent.onlyKey === key) return parent.firstElementChild;
  parent.onlyKey = key;
  const element = make();
  parent.replaceChildren(...(element ? [element] : []));
  return element;
}

// Buttons of which one is pressed; `press(key)`.
export function segments(label, options, press) {
  const all = Object.entries(options).map(([key, words]) => h("button", { type: "button", data: { key }, onclick: () => press(key) }, words));
  const element = h("div", { class: "segments", role: "group", "aria-label": label }, ...all);
  element.update = (chosen) => all.forEach((one) => attribute(one, "aria-pressed", String(one.dataset.key === chosen)));
  return element;
}

export function toast(message, bad = false) {
  const place = document.getElementById("toasts");
  const element = h("div", { class: bad ? "toast bad" : "toast" }, message);
  place.append(element);
  while (place.children.length > 3) place.firstElementChild.remove();
  setTimeout(() => element.remove(), bad ? 9000 : 5000);
}

// A question in the page's one dialog; gives the form's values, or null where it was dismissed. `wrong(values)` gives
// what is wrong with them, if anything: then the dialog stays and says so.
export function ask(title, body, action, wrong = null) {
  const dialog = document.getElementById("dialog");
  return new Promise((resolve) => {
    const complaint = h("p", { class: "bad-text", role: "alert", hidden: true });
    const form = h(
      "form",
      { method: "dialog" },
      h("h2", { id: "dialog-title" }, title),
      ...body,
      complaint,
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel"),
        h("button", { type: "submit", class: "primary" }, action),
      ),
    );
    let values = null;
    form.addEventListener("submit", async (event) => {
      const given = Object.fromEntries(new FormData(form));
      if (wrong) {
        event.preventDefault();
        const button = form.querySelector(".primary");
        button.disabled = true;
        text(complaint, await wrong(given));
        button.disabled = false;
        attribute(complaint, "hidden", complaint.textContent ? null : "");
        if (complaint.textContent || !form.isConnected) return;
      }
      values = given;
      dialog.close();
    });
    dialog.addEventListener("close", () => resolve(values), { once: true });
    dialog.replaceChildren(form);
    dialog.showModal();
    (form.querySelector("input,select") ?? form.querySelector(".primary")).focus();
  });
}
