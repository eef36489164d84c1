// Results: counts, confidence over time, and the latest, as they come in.

import { get, post, showPicture } from "./api.js";
import { draw } from "./chart.js";
import { byId, make, show, tableRow } from "./dom.js";
import { announce, mended, notice } from "./notices.js";
import { STATUSES, familiarityText, fileName, moment, path, percent, shows, statusText, verdict } from "./words.js";

/** @typedef {import("./store.js").Row} Row */
/** @typedef {import("./store.js").Results} Results */
/** @typedef {import("./store.js").Queue} Queue */

/** Rows of the table at first, and those that each click adds. */
const ROWS_ADDED = 30;
/** Maximum number of rows of the table: elements cost more than the figures above it. */
const MOST_ROWS = 600;

let rowsShown = ROWS_ADDED;

/** @type {Row|null} The row that the dialog shows. */
let opened = null;

let reads = 0;

/** @param {Results} results @param {Queue} queue @param {string[]} classes */
export function startResults(results, queue, classes) {
  const refresh = () => {
    showResults(results, classes);
    refreshPhoto(results);
  };
  results.addEventListener("change", refresh);
  byId("period").addEventListener("change", () => {
    rowsShown = ROWS_ADDED;
    loadResults(results);
  });
  byId("latest-more").addEventListener("click", () => {
    rowsShown = Math.min(rowsShown + ROWS_ADDED, MOST_ROWS);
    refresh();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  byId("photo-undo").addEventListener("click", () => undo(results, queue));
  byId("photo-dialog").addEventListener("close", () => { opened = null; });
  return refresh;
}

/** Read the results of the chosen period. @param {Results} results */
export async function loadResults(results) {
  const hours = /** @type {HTMLSelectElement} */ (byId("period")).value;
  const read = ++reads;
  results.expect();
  try {
    const found = await get("/api/results", { hours });
    if (read !== reads) return; // they are being read once more
    results.set(found.rows, found.more);
    mended("results");
    if (found.skipped) notice("results-skipped", found.skipped);
    else mended("results-skipped");
  } catch (trouble) {
    if (read === reads) notice("results", `The results can't be read: ${trouble.message}`);
  }
}

/** @param {Results} results @param {string[]} classes */
function showResults(results, classes) {
  if (/** @type {HTMLElement} */ (document.querySelector('[data-view="results"]')).hidden) return;
  const hours = Number(/** @type {HTMLSelectElement} */ (byId("period")).value);
  const from = Date.now() - hours * 3_600_000;
  const rows = results.rows.filter((row) => Date.parse(row.at) >= from);
  byId("results-more").textContent = results.more
    ? `Only the latest ${rows.length} are counted. scones report and scones results --since ${hours}h have all.`
    : "";
  showStatuses(rows);
  showClasses(rows, classes);
  showLatest(rows.slice(0, rowsShown));
  showRest(rows.length - rowsShown, hours);
  draw(rows, classes);
}

/** @param {Row[]} rows */
function showStatuses(rows) {
  const tiles = Object.entries(STATUSES).map(([status, name]) => {
    const count = rows.filter((row) => row.status === status).length;
    const share = rows.length ? percent(count / rows.length) : "";
    return make("div", { class: `tile ${status}` }, make("dt", {}, name), make("dd", {}, String(count), " ", make("small", {}, share)));
  });
  byId("statuses").replaceChildren(...tiles);
}

/** @param {Row[]} rows @param {string[]} classes */
function showClasses(rows, classes) {
  const lines = classes.map((name) => {
    const guessed = rows.filter((row) => row.label === name);
    const sure = guessed.filter((row) => row.status === "classified").length;
    const said = rows.filter((row) => row.review?.label === name).length;
    return tableRow([
      ["class", name],
      ["by the model", String(sure), "number"],
      ["for review", String(guessed.length - sure), "number"],
      ["by people", String(said), "number"],
    ]);
  });
  /** @type {HTMLElement} */ (byId("by-class").querySelector("tbody")).replaceChildren(...lines);
}

/** @param {Row[]} rows */
function showLatest(rows) {
  const lines = rows.map((row) => {
    const said = row.review ? ` (${row.review.by})` : "";
    const open = make("button", { type: "button", class: "link", title: path(row) }, ...named(row));
    open.addEventListener("click", () => openPhoto(row));
    const line = tableRow([
      ["decided", moment(row.at)],
      ["photo", open],
      ["status", statusText(row), "status"],
      ["shows", shows(row) + said],
      ["confidence", percent(row.confidence, row.threshold), "number"],
      ["bay", row.loading_bay ?? "–"],
      ["took", `${(row.total_ms / 1000).toFixed(2)} s`, "number"],
    ]);
    line.className = row.status;
    return line;
  });
  keepingFocus(() => /** @type {HTMLElement} */ (byId("latest").querySelector("tbody")).replaceChildren(...lines));
  show("latest", rows.length > 0);
  show("latest-empty", rows.length === 0);
}

/** @param {number} rest how many rows are not in the table @param {number} hours */
function showRest(rest, hours) {
  const full = rowsShown >= MOST_ROWS;
  show("latest-more", rest > 0 && !full);
  byId("latest-more").textContent = `Show ${Math.min(rest, ROWS_ADDED)} more of ${rest}`;
  byId("latest-rest").textContent =
    rest > 0 && full ? `${rest} more: scones results --since ${hours}h --limit ${rest + rowsShown}` : "";
}

/** The photo's path; there is no room for its folder on narrow screens. @param {Row} row */
function named(row) {
  const folder = path(row).slice(0, path(row).length - fileName(row).length);
  return [...(folder ? [make("span", { class: "folder" }, folder)] : []), fileName(row)];
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
  const now = opened && results.find(opened);
  if (now && now !== opened) showFacts(now);
}

/** @param {Row} row */
function showFacts(row) {
  opened = row;
  byId("photo-title").textContent = fileName(row);
  const facts = [
    ...(path(row) === fileName(row) ? [] : [["photo", path(row)]]),
    ["status", statusText(row)],
    ["decided", `${new Date(row.at).toLocaleString()}, in ${(row.total_ms / 1000).toFixed(2)} s`],
    ...(row.reason ? [["reason", `${row.reason.code}: ${row.reason.message}`]] : []),
    ...(row.label ? [["the model", `${row.label}, ${percent(row.confidence, row.threshold)}; threshold ${percent(row.threshold)}`]] : []),
    ...(row.familiarity === null ? [] : [["familiarity", familiarityText(row)]]),
    ...(row.loading_bay ? [["loading bay", row.loading_bay]] : []),
    ...(row.review ? [["a person", `${row.review.by} said ${verdict(row.review)}, ${moment(row.review.at)}`]] : []),
    ["version", row.version],
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
    announce(`Undone: ${fileName(row)} waits for a person again.`);
    mended("undo");
  } catch (trouble) {
    notice("undo", `${fileName(row)} is not undone: ${trouble.message}`);
  }
}
