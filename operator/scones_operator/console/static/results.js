// Results: counts, confidence over time, and the latest, as they come in.

import { get, post, showPicture } from "./api.js";
import { draw } from "./chart.js";
import { byId, make, show, tableRow } from "./dom.js";
import { Filters } from "./filters.js";
import { announce, mended, notice } from "./notices.js";
import { Production } from "./store.js";
import { STATES, familiarityText, fileName, moment, path, pathParts, percent, shareOf, shows, statusText, verdict } from "./words.js";

/** @typedef {import("./store.js").Row} Row */
/** @typedef {import("./store.js").Results} Results */
/** @typedef {import("./store.js").Queue} Queue */

/** Rows of the table at first, and those that each click adds. */
const ROWS_ADDED = 30;
/** Maximum number of rows of the table: elements cost more than the figures above it. */
const MOST_ROWS = 600;

/** Shortest time between two requests for the versions in production. */
const PRODUCTION_MS = 15_000;
/** Time between two such requests while no result comes. */
const IDLE_MS = 60_000;

let rowsShown = ROWS_ADDED;

const production = new Production();
let productionReadAt = -Infinity;

/** @type {Filters} */ let filters;

/** @type {Row|null} The row that the dialog shows. */
let opened = null;

let reads = 0;

/** @param {Results} results @param {Queue} queue @param {string[]} classes */
export function startResults(results, queue, classes) {
  const refresh = () => {
    showResults(results, queue, classes);
    refreshPhoto(results);
  };
  filters = new Filters(() => {
    rowsShown = ROWS_ADDED;
    loadResults(results);
  });
  for (const known of [results, queue, production]) known.addEventListener("change", refresh);
  byId("latest-more").addEventListener("click", () => {
    rowsShown = Math.min(rowsShown + ROWS_ADDED, MOST_ROWS);
    refresh();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  byId("photo-undo").addEventListener("click", () => undo(results, queue));
  byId("photo-dialog").addEventListener("close", () => { opened = null; });
  setInterval(() => {
    if (!document.hidden && location.hash.startsWith("#results")) loadProduction();
  }, IDLE_MS);
  return () => {
    if (filters.load()) loadResults(results);
    refresh();
  };
}

/** Read the results that the filters take. @param {Results} results */
export async function loadResults(results) {
  const read = ++reads;
  results.expect();
  try {
    const found = await get("/api/results", filters.query);
    if (read !== reads) return; // they are being read once more
    results.set(found.rows, found.more, found.searched_since);
    mended("results");
    if (found.skipped) notice("results-skipped", found.skipped);
    else mended("results-skipped");
  } catch (trouble) {
    if (read === reads) notice("results", `The results cannot be read: ${trouble.message}`);
  }
}

/** Read which versions were in production, unless that was done a moment ago. */
async function loadProduction() {
  if (performance.now() - productionReadAt < PRODUCTION_MS) return;
  productionReadAt = performance.now();
  try {
    production.set(await get("/api/production"));
  } catch (trouble) {
    byId("in-production").textContent = `Model versions are not shown: ${trouble.message}`;
  }
}

/** @param {Results} results @param {Queue} queue @param {string[]} classes */
function showResults(results, queue, classes) {
  if (/** @type {HTMLElement} */ (document.querySelector('[data-view="results"]')).hidden) return;
  const rows = filters.choose(results.rows);
  if (!production.endpoint || rows.some((row) => production.isBehind(row))) loadProduction();
  byId("results-more").textContent = moreText(results, rows.length);
  showProduction();
  showStates(rows, queue);
  showClasses(rows, classes);
  showLatest(rows.slice(0, rowsShown));
  showRest(rows.length - rowsShown);
  draw(rows, classes);
}

/** @param {Results} results @param {number} count */
function moreText(results, count) {
  if (!results.more) return "";
  if (results.searchedSince) {
    return `Searched back to ${moment(results.searchedSince)}: earlier results may match. Choose a shorter time range, or use scones results.`;
  }
  return `Only the latest ${count} are counted: there are more. Choose a shorter time range, or use scones report for all.`;
}

function showProduction() {
  const { endpoint, present } = production;
  if (!endpoint) return; // not read yet
  byId("in-production").replaceChildren(...(present
    ? [`Model version ${present.version} in production since `, make("time", {}, moment(present.since)), "."]
    : [unknownVersion(endpoint)]));
}

/** @param {{name: string|null, status: string|null}} endpoint */
function unknownVersion(endpoint) {
  return endpoint.name
    ? `The version in production is unknown at the moment (endpoint ${endpoint.name}: ${endpoint.status}): see the section Models.`
    : "Nothing is in production: there is no endpoint.";
}

/** @param {Row[]} rows @param {Queue} queue */
function showStates(rows, queue) {
  const counts = Object.entries(STATES).map(([state, name]) => ({ state, name, count: rows.filter((row) => row.state === state).length }));
  // Nobody is asked about simulated photos: most stacks have none.
  const tiles = counts.filter(({ state, count }) => count || state !== "simulated").map(({ state, name, count }) =>
    make("div", { class: `tile ${state}` },
      make("dt", {}, name),
      make("dd", {}, String(count), " ", make("small", {}, shareOf(count, rows.length)), ...(state === "waiting" ? [elsewhere(count, queue)] : []))));
  byId("statuses").replaceChildren(...tiles);
}

/** What waits in all, if that is more than what the filters take. @param {number} count @param {Queue} queue */
function elsewhere(count, queue) {
  const all = queue.waiting.length;
  return make("small", { class: "all" }, all > count ? ` ${all}${queue.more ? "+" : ""} in all` : "");
}

/** @param {Row[]} rows @param {string[]} classes */
function showClasses(rows, classes) {
  const lines = classes.map((name) => {
    const guessed = rows.filter((row) => row.label === name);
    const count = (/** @type {string} */ state) => String(guessed.filter((row) => row.state === state).length);
    const said = rows.filter((row) => row.review?.label === name).length;
    return tableRow([
      ["class", name],
      ["classified", count("classified"), "number"],
      ["waiting for review", count("waiting"), "number"],
      ["reviewed as", String(said), "number"],
    ]);
  });
  /** @type {HTMLElement} */ (byId("by-class").querySelector("tbody")).replaceChildren(...lines);
}

/** Whose answer it is, if the reviewer saw another version. @param {import("./store.js").Review} review */
function sameBytes(review) {
  return review.reviewed_version ? `, same bytes, ${moment(review.at)}` : "";
}

/** The model's class beside another one of the reviewer, since the confidence is of the model's. @param {Row} row */
function otherPrediction(row) {
  return row.review && row.label !== row.review.label ? `; predicted ${row.label}` : "";
}

/** @param {Row[]} rows */
function showLatest(rows) {
  const lines = rows.map((row) => {
    const said = row.review ? ` (${row.review.by}${sameBytes(row.review)}${otherPrediction(row)})` : "";
    const open = make("button", { type: "button", class: "link", title: path(row) }, ...pathParts(row));
    open.addEventListener("click", () => openPhoto(row));
    const line = tableRow([
      ["time", moment(row.at), "time"],
      ["photo", open],
      ["status", statusText(row), "status"],
      ["shows", shows(row) + said],
      ["confidence", percent(row.confidence, row.threshold), "number"],
      ["model", versionText(row), "number"],
      ["bay", row.loading_bay ?? "–"],
      ["duration", `${(row.total_ms / 1000).toFixed(2)} s`, "number"],
    ]);
    line.className = row.state;
    return line;
  });
  keepingFocus(() => /** @type {HTMLElement} */ (byId("latest").querySelector("tbody")).replaceChildren(...lines));
  show("latest", rows.length > 0);
  show("latest-empty", rows.length === 0);
  byId("latest-empty").textContent = filters.narrow ? "No results match the filters." : "No results in this time range.";
}

/** The version that decided, or a dash if it is not known. @param {Row} row */
function versionText(row) {
  return String(production.versionOf(row) ?? "–");
}

/** @param {number} rest how many rows are not in the table */
function showRest(rest) {
  const full = rowsShown >= MOST_ROWS;
  show("latest-more", rest > 0 && !full);
  byId("latest-more").textContent = `Show ${Math.min(rest, ROWS_ADDED)} more of ${rest}`;
  byId("latest-rest").textContent = rest > 0 && full ? `${rest} more: set a filter, or use scones results --limit ${rest + rowsShown}` : "";
}

/** Who is at a row by keyboard stays at it when rows are added. @param {() => void} change */
function keepingFocus(change) {
  const buttons = () => [...byId("latest").querySelectorAll("button")];
  const fromEnd = buttons().reverse().findIndex((button) => button === document.activeElement);
  change();
  if (fromEnd >= 0) buttons().reverse()[fromEnd]?.focus();
}

/** @param {Row} row */
function openPhoto(row) {
  showFacts(row);
  /** @type {HTMLDialogElement} */ (byId("photo-dialog")).showModal();
  showPicture(/** @type {HTMLImageElement} */ (byId("photo-image")), byId("photo-text"), row);
}

/** What the dialog shows may have been labelled, or that undone, elsewhere. @param {Results} results */
function refreshPhoto(results) {
  const now = opened && (results.find(opened) ?? opened);
  if (now) showFacts(now);
}

/** @param {Row} row */
function showFacts(row) {
  opened = row;
  byId("photo-title").replaceChildren(...pathParts(row));
  const facts = [
    ["status", statusText(row)],
    ["decided", `${moment(row.at)}, in ${(row.total_ms / 1000).toFixed(2)} s`],
    ...(row.reason ? [["reason", `${row.reason.code}: ${row.reason.message}`]] : []),
    ...(row.label ? [["predicted label", `${row.label}, ${percent(row.confidence, row.threshold)}; threshold ${percent(row.threshold)}`]] : []),
    ...(row.label ? [["model version", production.versionOf(row) ?? "unknown"].map(String)] : []),
    ...(row.familiarity === null ? [] : [["familiarity", familiarityText(row)]]),
    ...(row.loading_bay ? [["loading bay", row.loading_bay]] : []),
    ...(row.review ? [["review", `${verdict(row.review)}, by ${row.review.by}, ${moment(row.review.at)}${row.review.reviewed_version ? ", of another version with the same bytes" : ""}`]] : []),
    ["object version", row.version],
  ];
  byId("photo-facts").replaceChildren(...facts.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
  show("photo-undo", row.review !== null);
}

/** @param {Results} results @param {Queue} queue */
async function undo(results, queue) {
  const row = opened;
  if (!row?.review) return;
  /** @type {HTMLDialogElement} */ (byId("photo-dialog")).close();
  try {
    const back = await post("/api/undo", { photo: row.photo, version: row.version, review: row.review.id });
    results.add([back]);
    queue.putBack(back);
    announce(`Undone: ${fileName(row)} needs review again.`);
    mended("undo");
  } catch (trouble) {
    notice("undo", `The label of ${fileName(row)} was not undone: ${trouble.message}`);
  }
}
