// The page: its sections, and the stream of news from the console.

import { byId } from "./dom.js";
import { loadModels, startModels } from "./models.js";
import { clearNotice, showNotice } from "./notices.js";
import { loadResults, startResults } from "./results.js";
import { startReview } from "./review.js";
import { Queue, Results } from "./store.js";
import { connect } from "./stream.js";
import { zone } from "./format.js";

const SECTIONS = ["review", "results", "models"];

const queue = new Queue();
const results = new Results();
const classes = [...byId("labels").querySelectorAll("button")].map((button) => button.dataset.label ?? "");

/** Show the section that the address names. @param {boolean} [isNavigation] */
function route(isNavigation = true) {
  const [section] = location.hash.slice(1).split("?");
  const chosen = SECTIONS.includes(section) ? section : SECTIONS[0];
  for (const view of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-view]"))) {
    view.hidden = view.dataset.view !== chosen;
    if (isNavigation && !view.hidden) view.querySelector("h2")?.focus({ preventScroll: true });
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href")?.split("?")[0] === `#${chosen}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${chosen[0].toUpperCase()}${chosen.slice(1)} – Scones`;
  if (chosen === "results") refreshResults(); // which takes its filters from the address
  if (chosen === "models" && isNavigation) loadModels();
}

/** @param {"connecting"|"live"|"error"|"disconnected"} state @param {string} text */
function setConnectionState(state, text) {
  byId("connection").dataset.state = state;
  byId("connection-text").textContent = text;
}

let hasError = false;

function onConnected() {
  clearNotice("lost");
  clearNotice("finish"); // it is told anew
  loadResults(results);
}

/** @type {Object<string, (data: any) => void>} */
const EVENTS = {
  update(update) {
    clearNotice("aws");
    setConnectionState("live", "Live");
    if (update.queue) queue.set(update.queue.rows, update.queue.more);
    results.add(update.rows);
    if (hasError) loadResults(results); // the news tell of what is new, not of all that changed meanwhile
    hasError = false;
  },
  error(message) {
    hasError = true;
    showNotice("aws", `Live updates failed: ${message}. Retrying.`);
    setConnectionState("error", "Retrying");
  },
  skipped(message) {
    if (message) showNotice("skipped", message);
    else clearNotice("skipped");
  },
  incomplete(errors) {
    if (errors.length) showNotice("finish", `Some labels are not in the dataset yet: ${errors.join("; ")}`);
    else clearNotice("finish");
  },
};

/** @param {string} [reason] */
function onDisconnected(reason = "The console does not respond: is `scones console` still running?") {
  setConnectionState("disconnected", "Connection lost");
  showNotice("lost", `${reason} This page is no longer updated.`);
}

byId("zone").textContent = `Times: ${zone()}`;
startReview(queue, results);
const refreshResults = startResults(results, queue, classes);
startModels(() => location.hash === "#models");
window.addEventListener("hashchange", () => route());
route(false);
connect("/api/updates", { open: onConnected, event: (name, data) => EVENTS[name]?.(data), lost: onDisconnected });
loadModels();
