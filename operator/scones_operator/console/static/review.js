// The review: one photo at a time, one key a label.

import { previewUrl, post, showPreview } from "./api.js";
import { byId, setVisible } from "./dom.js";
import { announce, clearNotice, showNotice } from "./notices.js";
import { idOf } from "./store.js";
import { timeAgo, familiarityText, fileName, pathParts, percent, reviewLabel } from "./format.js";

/** @typedef {import("./store.js").Row} Row */
/** @typedef {import("./store.js").Queue} Queue */

/** After another photo came unasked, keys are not taken for so long: they were meant for the last. */
const KEY_PAUSE_MS = 1000;
const PRELOAD_COUNT = 2;
/** So many reviews can be undone by key, the last ones. */
const MAX_UNDOABLE = 100;

/** @param {Queue} queue @param {import("./store.js").Results} results */
export function startReview(queue, results) {
  const controller = new ReviewController(queue, results);
  for (const button of labelButtons()) {
    button.addEventListener("click", () => controller.submitLabel(button.dataset.label ?? null));
  }
  byId("none-of-the-classes").addEventListener("click", () => controller.submitLabel(null));
  byId("skip").addEventListener("click", () => controller.skip());
  byId("undo").addEventListener("click", () => controller.undo());
  byId("help").addEventListener("click", help);
  document.addEventListener("keydown", (event) => onKey(event, controller));
  document.getElementById("class-filter")?.addEventListener("input", filterClasses);
  queue.addEventListener("change", () => controller.refresh());
  return controller;
}

/** @returns {HTMLButtonElement[]} */
function labelButtons() {
  return [...byId("labels").querySelectorAll("button")];
}

class ReviewController {
  /** @type {Row|null} */ #row = null;
  /** @type {Row[]} What was said here, the last one last. */ #reviewed = [];
  /** @type {Promise<void>} What is being said; it never fails. */ #sending = Promise.resolve();
  #keysEnabledAt = 0;

  /** @param {Queue} queue @param {import("./store.js").Results} results */
  constructor(queue, results) {
    this.queue = queue;
    this.results = results;
  }

  /** Show what is to be shown now; the photo that is looked at stays while it waits. */
  refresh() {
    const waiting = this.queue.waiting;
    const current = this.#row && waiting.find((row) => idOf(row) === idOf(/** @type {Row} */ (this.#row)));
    if (this.#row && !current) this.#onReviewedElsewhere(this.#row);
    this.#show(current ?? waiting[0] ?? null, waiting);
  }

  /** Say what the photo shows; null for none of the classes. @param {string|null} label */
  submitLabel(label) {
    const row = this.#row;
    if (!row || performance.now() < this.#keysEnabledAt) return;
    const labelText = label ?? "none of the classes";
    this.#row = null;
    clearNotice("reviewed-elsewhere");
    this.queue.markSubmitted(row);
    announce(`${fileName(row)}: ${labelText}. ${this.#next()}`);
    this.#sending = Promise.all([this.#sending, this.#send(row, label, labelText)]).then(() => {});
    /** @type {HTMLButtonElement} */ (byId("undo")).disabled = false;
  }

  /** @param {Row} row @param {string|null} label @param {string} labelText */
  async #send(row, label, labelText) {
    try {
      this.#onSaved(await post("/api/label", { photo: row.photo, version: row.version, label }));
      clearNotice("review");
    } catch (error) {
      this.#onError(row, labelText, error);
    }
    this.#showLast();
  }

  /** Show all others first. */
  skip() {
    const row = this.#row;
    if (!row || performance.now() < this.#keysEnabledAt) return;
    const alone = this.queue.waiting.length === 1;
    this.#row = null;
    clearNotice("reviewed-elsewhere");
    this.queue.skip(row);
    announce(alone ? "This is the only photo to review." : `Skipped. ${this.#next()}`);
  }

  /** Undo what was said here last, once it is kept. */
  async undo() {
    await this.#sending;
    const row = this.#reviewed.pop();
    this.#showLast();
    if (!row?.review) return;
    try {
      const updated = await post("/api/undo", { photo: row.photo, version: row.version, review: row.review.id });
      this.results.add([updated]);
      this.#row = updated;
      this.queue.requeue(updated);
      announce(`Undone: ${fileName(row)} needs review again.`);
      clearNotice("review");
    } catch (error) {
      if (error.kind !== "precondition") this.#reviewed.push(row);
      this.#showLast();
      showNotice("review", `The label of ${fileName(row)} was not undone: ${error.message}`);
    }
  }

  /** @param {Row} row with the review */
  #onSaved(row) {
    this.#reviewed.push(row);
    if (this.#reviewed.length > MAX_UNDOABLE) this.#reviewed.shift();
    this.results.add([row]);
    this.queue.markReviewed(row);
  }

  /** @param {Row} row @param {string} labelText @param {import("./api.js").ApiError} error */
  #onError(row, labelText, error) {
    if (error.kind === "incomplete" && error.row) {
      this.#onSaved(error.row);
      showNotice("review", error.message);
    } else if (error.kind === "already_reviewed") {
      this.queue.markReviewed(row);
      showNotice("review", `Your label (${labelText}) was not saved: ${error.message}`, "info");
    } else {
      if (!this.#row) this.#row = row;
      this.queue.requeue(row);
      showNotice("review", `${fileName(row)} was not labeled and still needs review: ${error.message}`);
    }
  }

  /** @param {Row} row */
  #onReviewedElsewhere(row) {
    this.#keysEnabledAt = performance.now() + KEY_PAUSE_MS;
    byId("review-panel").classList.add("replaced");
    setTimeout(() => byId("review-panel").classList.remove("replaced"), KEY_PAUSE_MS);
    showNotice("reviewed-elsewhere", `Another reviewer labeled ${fileName(row)}.`, "info");
  }

  #next() {
    const waiting = this.queue.waiting.length;
    return waiting ? `${waiting} left.` : "No photos left.";
  }

  #showLast() {
    const last = this.#reviewed.at(-1);
    /** @type {HTMLButtonElement} */ (byId("undo")).disabled = !last;
    byId("last-review").textContent = last?.review ? `${fileName(last)}: ${reviewLabel(last.review)}` : "";
  }

  /** @param {Row|null} row @param {Row[]} waiting */
  #show(row, waiting) {
    this.#row = row;
    const count = `${waiting.length}${this.queue.more ? "+" : ""}`;
    byId("queue-summary").textContent = row ? `${count} ${count === "1" ? "photo" : "photos"} to review` : "";
    byId("pending-count").textContent = count;
    setVisible("pending-count", waiting.length > 0);
    setVisible("review-panel", row !== null);
    setVisible("review-empty", row === null);
    byId("review-empty").textContent = "No photos to review. Photos below the threshold, unfamiliar photos, and photos of classes that always need review appear here automatically.";
    if (!row) return;
    showPreview(/** @type {HTMLImageElement} */ (byId("review-photo")), byId("review-photo-text"), row);
    for (const next of waiting.filter((other) => other !== row).slice(0, PRELOAD_COUNT)) previewUrl(next).catch(() => {});
    byId("review-name").replaceChildren(...pathParts(row));
    byId("review-when").textContent = `uploaded ${timeAgo(row.uploaded_at)}`;
    byId("review-unfamiliar").textContent =
      `Unfamiliar: this photo does not resemble the training photos (familiarity ${familiarityText(row)}).`;
    setVisible("review-unfamiliar", row.unfamiliar);
    const rule =
      row.reason?.code === "always_reviewed" ? "this class always needs review" : `threshold ${percent(row.threshold)}`;
    byId("review-prediction").textContent = `Predicted: ${row.label}, confidence ${percent(row.confidence, row.threshold)}; ${rule}.`;
    showProbabilities(row);
  }
}

/** @param {Row} row */
function showProbabilities(row) {
  for (const button of labelButtons()) {
    const share = row.probabilities?.[button.dataset.label ?? ""] ?? null;
    const bar = /** @type {HTMLElement} */ (button.querySelector(".bar > span"));
    bar.style.width = `${100 * (share ?? 0)}%`;
    const text = /** @type {HTMLElement} */ (button.querySelector(".percent"));
    text.textContent = percent(share);
    button.classList.toggle("predicted", button.dataset.label === row.label);
  }
}

/** @param {KeyboardEvent} event @param {ReviewController} controller */
function onKey(event, controller) {
  const view = /** @type {HTMLElement} */ (document.querySelector('[data-view="review"]'));
  if (view.hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]")) return;
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.id === "class-filter") {
    onFilterKey(event, controller);
    return;
  }
  if (target.closest("input, textarea, select")) return;
  const action = actionOf(event.key, controller);
  if (!action) return;
  event.preventDefault();
  action();
}

/** @param {string} key @param {ReviewController} controller @returns {(() => void)|undefined} */
function actionOf(key, controller) {
  const button = labelButtons().find((one) => one.getAttribute("aria-keyshortcuts") === key);
  if (button) return () => controller.submitLabel(button.dataset.label ?? null);
  const filter = document.getElementById("class-filter");
  const actions = /** @type {Object<string, () => void>} */ ({
    n: () => controller.submitLabel(null),
    s: () => controller.skip(),
    u: () => controller.undo(),
    "?": help,
    ...(filter ? { "/": () => filter.focus() } : {}),
  });
  return Object.hasOwn(actions, key) ? actions[key] : undefined;
}

/** @param {KeyboardEvent} event @param {ReviewController} controller */
function onFilterKey(event, controller) {
  const filter = /** @type {HTMLInputElement} */ (event.target);
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  const first = labelButtons().find((button) => !button.hidden);
  const chosen = event.key === "Enter" && filter.value ? first : undefined;
  filter.value = "";
  filterClasses();
  filter.blur();
  if (chosen) controller.submitLabel(chosen.dataset.label ?? null);
}

function filterClasses() {
  const filter = /** @type {HTMLInputElement} */ (byId("class-filter")).value.trim().toLowerCase();
  for (const button of labelButtons()) {
    button.hidden = !(button.dataset.label ?? "").toLowerCase().includes(filter);
  }
}

function help() {
  /** @type {HTMLDialogElement} */ (byId("help-dialog")).showModal();
}
