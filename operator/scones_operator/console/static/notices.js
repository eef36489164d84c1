// What the page tells by the way: notices that stay until they are mended or closed, and
// announcements for those who listen to the page.

import { byId, make } from "./dom.js";

/**
 * Show a notice in the place of the one of the same name.
 * @param {string} name
 * @param {string} text
 * @param {"trouble"|"news"} [kind]
 */
export function notice(name, text, kind = "trouble") {
  const shown = find(name);
  if (shown?.firstChild?.textContent === text) return;
  const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "✕");
  const element = make("p", { class: `notice ${kind}`, "data-name": name }, make("span", {}, text), close);
  close.addEventListener("click", () => element.remove());
  if (shown) shown.replaceWith(element);
  else byId("notices").append(element);
}

/** Take a notice away: what it told of is mended. @param {string} name */
export function mended(name) {
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
