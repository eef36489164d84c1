// The page: its sections, and the stream of news from the console.

import { byId } from "./dom.js";
import { loadModels, startModels } from "./models.js";
import { mended, notice } from "./notices.js";
import { loadResults, startResults } from "./results.js";
import { startReview } from "./review.js";
import { Queue, Results } from "./store.js";
import { listen } from "./stream.js";
import { zone } from "./words.js";

const SECTIONS = ["review", "results", "models"];

const queue = new Queue();
const results = new Results();
const classes = [...byId("labels").querySelectorAll("button")].map((button) => button.dataset.label ?? "");

/** Show the section that the address names. @param {boolean} [byHand] */
function route(byHand = true) {
  const [named] = location.hash.slice(1).split("?");
  const chosen = SECTIONS.includes(named) ? named : SECTIONS[0];
  for (const view of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-view]"))) {
    view.hidden = view.dataset.view !== chosen;
    if (byHand && !view.hidden) view.querySelector("h2")?.focus({ preventScroll: true });
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href")?.split("?")[0] === `#${chosen}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${chosen[0].toUpperCase()}${chosen.slice(1)} – Scones`;
  if (chosen === "results") refreshResults(); // which takes its filters from the address
  if (chosen === "models" && byHand) loadModels();
}

/** @param {"connecting"|"live"|"trouble"|"lost"} state @param {string} text */
function connection(state, text) {
  byId("connection").dataset.state = state;
  byId("connection-text").textContent = text;
}

let troubled = false;

function opened() {
  mended("lost");
  mended("finish"); // it is told anew
  loadResults(results);
}

/** @type {Object<string, (data: any) => void>} */
const EVENTS = {
  news(news) {
    mended("aws");
    connection("live", "Live");
    if (news.queue) queue.set(news.queue.rows, news.queue.more);
    results.add(news.rows);
    if (troubled) loadResults(results); // the news tell of what is new, not of all that changed meanwhile
    troubled = false;
  },
  trouble(message) {
    troubled = true;
    notice("aws", `Live updates failed: ${message}. Retrying.`);
    connection("trouble", "Retrying");
  },
  skipped(message) {
    if (message) notice("skipped", message);
    else mended("skipped");
  },
  unfinished(troubles) {
    if (troubles.length) notice("finish", `Some labels are not in the dataset yet: ${troubles.join("; ")}`);
    else mended("finish");
  },
};

/** @param {string} [why] */
function lost(why = "The console does not respond: is `scones console` still running?") {
  connection("lost", "Connection lost");
  notice("lost", `${why} This page is no longer updated.`);
}

byId("zone").textContent = `Times: ${zone()}`;
startReview(queue, results);
const refreshResults = startResults(results, queue, classes);
startModels(() => location.hash === "#models");
window.addEventListener("hashchange", () => route());
route(false);
listen("/api/news", { open: opened, event: (name, data) => EVENTS[name]?.(data), lost });
loadModels();
