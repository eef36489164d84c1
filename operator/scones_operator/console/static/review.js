// The review: one photo at a time, one key a label.

import { picture, post, showPicture } from "./api.js";
import { byId, show } from "./dom.js";
import { announce, mended, notice } from "./notices.js";
import { idOf } from "./store.js";
import { ago, familiarityText, fileName, pathParts, percent, verdict } from "./words.js";

/** @typedef {import("./store.js").Row} Row */
/** @typedef {import("./store.js").Queue} Queue */

/** After another photo came unasked, keys are not taken for so long: they were meant for the last. */
const UNASKED_MS = 1000;
const PRELOADED = 2;
/** So many reviews can be undone by key, the last ones. */
const MOST_UNDONE = 100;

/** @param {Queue} queue @param {import("./store.js").Results} results */
export function startReview(queue, results) {
  const desk = new Desk(queue, results);
  for (const button of labelButtons()) {
    button.addEventListener("click", () => desk.say(button.dataset.label ?? null));
  }
  byId("not-a-vehicle").addEventListener("click", () => desk.say(null));
  byId("skip").addEventListener("click", () => desk.skip());
  byId("undo").addEventListener("click", () => desk.undo());
  byId("help").addEventListener("click", help);
  document.addEventListener("keydown", (event) => onKey(event, desk));
  document.getElementById("class-filter")?.addEventListener("input", filterClasses);
  queue.addEventListener("change", () => desk.refresh());
  return desk;
}

/** @returns {HTMLButtonElement[]} */
function labelButtons() {
  return [...byId("labels").querySelectorAll("button")];
}

class Desk {
  /** @type {Row|null} */ #row = null;
  /** @type {Row[]} What was said here, the last one last. */ #said = [];
  /** @type {Promise<void>} What is being said; it never fails. */ #sending = Promise.resolve();
  #takesKeysFrom = 0;

  /** @param {Queue} queue @param {import("./store.js").Results} results */
  constructor(queue, results) {
    this.queue = queue;
    this.results = results;
  }

  /** Show what is to be shown now; the photo that is looked at stays while it waits. */
  refresh() {
    const waiting = this.queue.waiting;
    const current = this.#row && waiting.find((row) => idOf(row) === idOf(/** @type {Row} */ (this.#row)));
    if (this.#row && !current) this.#takenMeanwhile(this.#row);
    this.#show(current ?? waiting[0] ?? null, waiting);
  }

  /** Say what the photo shows; null for none of the classes. @param {string|null} label */
  say(label) {
    const row = this.#row;
    if (!row || performance.now() < this.#takesKeysFrom) return;
    const what = label ?? "none of the classes";
    this.#row = null;
    mended("taken");
    this.queue.send(row);
    announce(`${fileName(row)}: ${what}. ${this.#next()}`);
    this.#sending = Promise.all([this.#sending, this.#send(row, label, what)]).then(() => {});
    /** @type {HTMLButtonElement} */ (byId("undo")).disabled = false;
  }

  /** @param {Row} row @param {string|null} label @param {string} what */
  async #send(row, label, what) {
    try {
      this.#keep(await post("/api/label", { photo: row.photo, version: row.version, label }));
      mended("review");
    } catch (trouble) {
      this.#notKept(row, what, trouble);
    }
    this.#showLast();
  }

  /** Show all others first. */
  skip() {
    const row = this.#row;
    if (!row || performance.now() < this.#takesKeysFrom) return;
    const alone = this.queue.waiting.length === 1;
    this.#row = null;
    mended("taken");
    this.queue.skip(row);
    announce(alone ? "This is the only photo to review." : `Skipped. ${this.#next()}`);
  }

  /** Undo what was said here last, once it is kept. */
  async undo() {
    await this.#sending;
    const row = this.#said.pop();
    this.#showLast();
    if (!row?.review) return;
    try {
      const back = await post("/api/undo", { photo: row.photo, version: row.version, review: row.review.id });
      this.results.add([back]);
      this.#row = back;
      this.queue.putBack(back);
      announce(`Undone: ${fileName(row)} needs review again.`);
      mended("review");
    } catch (trouble) {
      if (trouble.kind !== "refused") this.#said.push(row);
      this.#showLast();
      notice("review", `The label of ${fileName(row)} was not undone: ${trouble.message}`);
    }
  }

  /** @param {Row} row with the review */
  #keep(row) {
    this.#said.push(row);
    if (this.#said.length > MOST_UNDONE) this.#said.shift();
    this.results.add([row]);
    this.queue.done(row);
  }

  /** @param {Row} row @param {string} what @param {import("./api.js").Trouble} trouble */
  #notKept(row, what, trouble) {
    if (trouble.kind === "unfinished" && trouble.row) {
      this.#keep(trouble.row);
      notice("review", trouble.message);
    } else if (trouble.kind === "taken") {
      this.queue.done(row);
      notice("review", `Your label (${what}) was not saved: ${trouble.message}`, "news");
    } else {
      if (!this.#row) this.#row = row;
      this.queue.putBack(row);
      notice("review", `${fileName(row)} was not labeled and still needs review: ${trouble.message}`);
    }
  }

  /** @param {Row} row */
  #takenMeanwhile(row) {
    this.#takesKeysFrom = performance.now() + UNASKED_MS;
    byId("review-desk").classList.add("unasked");
    setTimeout(() => byId("review-desk").classList.remove("unasked"), UNASKED_MS);
    notice("taken", `Another reviewer labeled ${fileName(row)}.`, "news");
  }

  #next() {
    const waiting = this.queue.waiting.length;
    return waiting ? `${waiting} left.` : "No photos left.";
  }

  #showLast() {
    const last = this.#said.at(-1);
    /** @type {HTMLButtonElement} */ (byId("undo")).disabled = !last;
    byId("last-said").textContent = last?.review ? `${fileName(last)}: ${verdict(last.review)}` : "";
  }

  /** @param {Row|null} row @param {Row[]} waiting */
  #show(row, waiting) {
    this.#row = row;
    const count = `${waiting.length}${this.queue.more ? "+" : ""}`;
    byId("queue-summary").textContent = row ? `${count} ${count === "1" ? "photo" : "photos"} to review` : "";
    byId("waiting-count").textContent = count;
    show("waiting-count", waiting.length > 0);
    show("review-desk", row !== null);
    show("review-empty", row === null);
    byId("review-empty").textContent = "No photos to review. Photos below the threshold, unfamiliar photos, and photos of classes that always need review appear here automatically.";
    if (!row) return;
    showPicture(/** @type {HTMLImageElement} */ (byId("review-photo")), byId("review-photo-text"), row);
    for (const next of waiting.filter((other) => other !== row).slice(0, PRELOADED)) picture(next).catch(() => {});
    byId("review-name").replaceChildren(...pathParts(row));
    byId("review-when").textContent = `uploaded ${ago(row.uploaded_at)}`;
    byId("review-unfamiliar").textContent =
      `Unfamiliar: this photo does not resemble the training photos (familiarity ${familiarityText(row)}).`;
    show("review-unfamiliar", row.unfamiliar);
    const rule =
      row.reason?.code === "always_reviewed" ? "this class always needs review" : `threshold ${percent(row.threshold)}`;
    byId("review-guess").textContent = `Predicted: ${row.label}, confidence ${percent(row.confidence, row.threshold)}; ${rule}.`;
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
    button.classList.toggle("guess", button.dataset.label === row.label);
  }
}

/** @param {KeyboardEvent} event @param {Desk} desk */
function onKey(event, desk) {
  const view = /** @type {HTMLElement} */ (document.querySelector('[data-view="review"]'));
  if (view.hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]")) return;
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.id === "class-filter") {
    onFilterKey(event, desk);
    return;
  }
  if (target.closest("input, textarea, select")) return;
  const action = actionOf(event.key, desk);
  if (!action) return;
  event.preventDefault();
  action();
}

/** @param {string} key @param {Desk} desk @returns {(() => void)|undefined} */
function actionOf(key, desk) {
  const button = labelButtons().find((one) => one.getAttribute("aria-keyshortcuts") === key);
  if (button) return () => desk.say(button.dataset.label ?? null);
  const filter = document.getElementById("class-filter");
  const actions = /** @type {Object<string, () => void>} */ ({
    n: () => desk.say(null),
    s: () => desk.skip(),
    u: () => desk.undo(),
    "?": help,
    ...(filter ? { "/": () => filter.focus() } : {}),
  });
  return Object.hasOwn(actions, key) ? actions[key] : undefined;
}

/** @param {KeyboardEvent} event @param {Desk} desk */
function onFilterKey(event, desk) {
  const filter = /** @type {HTMLInputElement} */ (event.target);
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  const first = labelButtons().find((button) => !button.hidden);
  const chosen = event.key === "Enter" && filter.value ? first : undefined;
  filter.value = "";
  filterClasses();
  filter.blur();
  if (chosen) desk.say(chosen.dataset.label ?? null);
}

function filterClasses() {
  const wanted = /** @type {HTMLInputElement} */ (byId("class-filter")).value.trim().toLowerCase();
  for (const button of labelButtons()) {
    button.hidden = !(button.dataset.label ?? "").toLowerCase().includes(wanted);
  }
}

function help() {
  /** @type {HTMLDialogElement} */ (byId("help-dialog")).showModal();
}
