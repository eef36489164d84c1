// What the page tells by the way: notices that stay until they are mended or closed, and
// announcements for those who listen to the page.

import { byId, createElement } from "./dom.js";

/**
 * Show a notice in the place of the one of the same name.
 * @param {string} name
 * @param {string} text
 * @param {"error"|"info"} [kind]
 */
export function showNotice(name, text, kind = "error") {
  const existing = find(name);
  if (existing?.firstChild?.textContent === text) return;
  const close = createElement("button", { type: "button", class: "close", "aria-label": "Close" }, "✕");
  const element = createElement("p", { class: `notice ${kind}`, "data-name": name }, createElement("span", {}, text), close);
  close.addEventListener("click", () => element.remove());
  if (existing) existing.replaceWith(element);
  else byId("notices").append(element);
}

/** Take a notice away: what it told of is mended. @param {string} name */
export function clearNotice(name) {
  find(name)?.remove();
}

/** @param {string} text */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** @param {string} name */
function find(name) {
  return byId("notices").querySelector(`[data-name="${CSS.escape(name)}"]`);
}
