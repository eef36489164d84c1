// Results: counts, confidence over time, and the latest, as they come in.

import { get, post, showPreview } from "./api.js";
import { renderChart } from "./chart.js";
import { byId, createElement, setVisible, tableRow } from "./dom.js";
import { Filters } from "./filters.js";
import { announce, clearNotice, showNotice } from "./notices.js";
import { Production } from "./store.js";
import { STATUS_LABELS, familiarityText, fileName, formatTime, displayKey, pathParts, percent, shareOf, effectiveLabel, statusText, reviewLabel } from "./format.js";

/** @typedef {import("./store.js").Row} Row */
/** @typedef {import("./store.js").Results} Results */
/** @typedef {import("./store.js").Queue} Queue */

/** Rows of the table at first, and those that each click adds. */
const ROWS_ADDED = 30;
/** Maximum number of rows of the table: elements cost more than the figures above it. */
const MAX_ROWS = 600;

/** Shortest time between two requests for the versions in production. */
const PRODUCTION_MS = 15_000;
/** Time between two such requests while no result comes. */
const IDLE_MS = 60_000;

let rowsShown = ROWS_ADDED;

const production = new Production();
let productionReadAt = -Infinity;

/** @type {Filters} */ let filters;

/** @type {Row|null} The row that the dialog shows. */
let openRow = null;

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
    rowsShown = Math.min(rowsShown + ROWS_ADDED, MAX_ROWS);
    refresh();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  byId("photo-undo").addEventListener("click", () => undo(results, queue));
  byId("photo-dialog").addEventListener("close", () => { openRow = null; });
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
  results.beginReload();
  try {
    const found = await get("/api/results", filters.query);
    if (read !== reads) return; // they are being read once more
    results.set(found.rows, found.more, found.searched_since);
    clearNotice("results");
    if (found.skipped) showNotice("results-skipped", found.skipped);
    else clearNotice("results-skipped");
  } catch (error) {
    if (read === reads) showNotice("results", `The results cannot be read: ${error.message}`);
  }
}

/** Read which versions were in production, unless that was done a moment ago. */
async function loadProduction() {
  if (performance.now() - productionReadAt < PRODUCTION_MS) return;
  productionReadAt = performance.now();
  try {
    production.set(await get("/api/production"));
  } catch (error) {
    byId("in-production").textContent = `Model versions are not shown: ${error.message}`;
  }
}

/** @param {Results} results @param {Queue} queue @param {string[]} classes */
function showResults(results, queue, classes) {
  if (/** @type {HTMLElement} */ (document.querySelector('[data-view="results"]')).hidden) return;
  const rows = filters.choose(results.rows);
  if (!production.endpoint || rows.some((row) => production.isLaterThanRead(row))) loadProduction();
  byId("results-more").textContent = moreText(results, rows.length);
  showProduction();
  showStates(rows, queue);
  showClasses(rows, classes);
  showLatest(rows.slice(0, rowsShown));
  showRest(rows.length - rowsShown);
  renderChart(rows, classes);
}

/** @param {Results} results @param {number} count */
function moreText(results, count) {
  if (!results.more) return "";
  if (results.searchedSince) {
    return `Searched back to ${formatTime(results.searchedSince)}: earlier results may match. Choose a shorter time range, or use scones results.`;
  }
  return `Only the latest ${count} are counted: there are more. Choose a shorter time range, or use scones report for all.`;
}

function showProduction() {
  const { endpoint, present } = production;
  if (!endpoint) return; // not read yet
  byId("in-production").replaceChildren(...(present
    ? [`Model version ${present.version} in production since `, createElement("time", {}, formatTime(present.since)), "."]
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
  const counts = Object.entries(STATUS_LABELS).map(([state, name]) => ({ state, name, count: rows.filter((row) => row.state === state).length }));
  // Nobody is asked about simulated photos: most stacks have none.
  const tiles = counts.filter(({ state, count }) => count || state !== "simulated").map(({ state, name, count }) =>
    createElement("div", { class: `tile ${state}` },
      createElement("dt", {}, name),
      createElement("dd", {}, String(count), " ", createElement("small", {}, shareOf(count, rows.length)), ...(state === "waiting" ? [elsewhere(count, queue)] : []))));
  byId("statuses").replaceChildren(...tiles);
}

/** What waits in all, if that is more than what the filters take. @param {number} count @param {Queue} queue */
function elsewhere(count, queue) {
  const all = queue.waiting.length;
  return createElement("small", { class: "all" }, all > count ? ` ${all}${queue.more ? "+" : ""} in all` : "");
}

/** @param {Row[]} rows @param {string[]} classes */
function showClasses(rows, classes) {
  const lines = classes.map((name) => {
    const predicted = rows.filter((row) => row.label === name);
    const count = (/** @type {string} */ state) => String(predicted.filter((row) => row.state === state).length);
    const reviewed = rows.filter((row) => row.review?.label === name).length;
    return tableRow([
      ["class", name],
      ["classified", count("classified"), "number"],
      ["waiting for review", count("waiting"), "number"],
      ["reviewed as", String(reviewed), "number"],
    ]);
  });
  /** @type {HTMLElement} */ (byId("by-class").querySelector("tbody")).replaceChildren(...lines);
}

/** Whose answer it is, if the reviewer saw another version. @param {import("./store.js").Review} review */
function sameBytes(review) {
  return review.reviewed_version ? `, same bytes, ${formatTime(review.at)}` : "";
}

/** The model's class beside another one of the reviewer, since the confidence is of the model's. @param {Row} row */
function otherPrediction(row) {
  return row.review && row.label !== row.review.label ? `; predicted ${row.label}` : "";
}

/** @param {Row[]} rows */
function showLatest(rows) {
  const lines = rows.map((row) => {
    const reviewed = row.review ? ` (${row.review.by}${sameBytes(row.review)}${otherPrediction(row)})` : "";
    const open = createElement("button", { type: "button", class: "link", title: displayKey(row) }, ...pathParts(row));
    open.addEventListener("click", () => openPhoto(row));
    const line = tableRow([
      ["time", formatTime(row.decided_at), "time"],
      ["photo", open],
      ["status", statusText(row), "status"],
      ["shows", effectiveLabel(row) + reviewed],
      ["confidence", percent(row.confidence, row.threshold), "number"],
      ["model", versionText(row), "number"],
      ["bay", row.loading_bay ?? "–"],
      ["duration", `${(row.total_ms / 1000).toFixed(2)} s`, "number"],
    ]);
    line.className = row.state;
    return line;
  });
  preserveFocus(() => /** @type {HTMLElement} */ (byId("latest").querySelector("tbody")).replaceChildren(...lines));
  setVisible("latest", rows.length > 0);
  setVisible("latest-empty", rows.length === 0);
  byId("latest-empty").textContent = filters.narrow ? "No results match the filters." : "No results in this time range.";
}

/** The version that decided, or a dash if it is not known. @param {Row} row */
function versionText(row) {
  return String(production.versionOf(row) ?? "–");
}

/** @param {number} rest how many rows are not in the table */
function showRest(rest) {
  const full = rowsShown >= MAX_ROWS;
  setVisible("latest-more", rest > 0 && !full);
  byId("latest-more").textContent = `Show ${Math.min(rest, ROWS_ADDED)} more of ${rest}`;
  byId("latest-rest").textContent = rest > 0 && full ? `${rest} more: set a filter, or use scones results --limit ${rest + rowsShown}` : "";
}

/** Who is at a row by keyboard stays at it when rows are added. @param {() => void} change */
function preserveFocus(change) {
  const buttons = () => [...byId("latest").querySelectorAll("button")];
  const fromEnd = buttons().reverse().findIndex((button) => button === document.activeElement);
  change();
  if (fromEnd >= 0) buttons().reverse()[fromEnd]?.focus();
}

/** @param {Row} row */
function openPhoto(row) {
  showDetails(row);
  /** @type {HTMLDialogElement} */ (byId("photo-dialog")).showModal();
  showPreview(/** @type {HTMLImageElement} */ (byId("photo-image")), byId("photo-text"), row);
}

/** What the dialog shows may have been labelled, or that undone, elsewhere. @param {Results} results */
function refreshPhoto(results) {
  const now = openRow && (results.find(openRow) ?? openRow);
  if (now) showDetails(now);
}

/** @param {Row} row */
function showDetails(row) {
  openRow = row;
  byId("photo-title").replaceChildren(...pathParts(row));
  const details = [
    ["status", statusText(row)],
    ["decided", `${formatTime(row.decided_at)}, in ${(row.total_ms / 1000).toFixed(2)} s`],
    ...(row.reason ? [["reason", `${row.reason.code}: ${row.reason.message}`]] : []),
    ...(row.label ? [["predicted label", `${row.label}, ${percent(row.confidence, row.threshold)}; threshold ${percent(row.threshold)}`]] : []),
    ...(row.label ? [["model version", production.versionOf(row) ?? "unknown"].map(String)] : []),
    ...(row.familiarity === null ? [] : [["familiarity", familiarityText(row)]]),
    ...(row.loading_bay ? [["loading bay", row.loading_bay]] : []),
    ...(row.review ? [["review", `${reviewLabel(row.review)}, by ${row.review.by}, ${formatTime(row.review.at)}${row.review.reviewed_version ? ", of another version with the same bytes" : ""}`]] : []),
    ["object version", row.version],
  ];
  byId("photo-details").replaceChildren(...details.flatMap(([name, text]) => [createElement("dt", {}, name), createElement("dd", {}, text)]));
  setVisible("photo-undo", row.review !== null);
}

/** @param {Results} results @param {Queue} queue */
async function undo(results, queue) {
  const row = openRow;
  if (!row?.review) return;
  /** @type {HTMLDialogElement} */ (byId("photo-dialog")).close();
  try {
    const updated = await post("/api/undo", { photo: row.photo, version: row.version, review: row.review.id });
    results.add([updated]);
    queue.requeue(updated);
    announce(`Undone: ${fileName(row)} needs review again.`);
    clearNotice("undo");
  } catch (error) {
    showNotice("undo", `The label of ${fileName(row)} was not undone: ${error.message}`);
  }
}
