// What the page knows: rows of results, and the queue; it tells when they change.

/**
 * @typedef {object} Review
 * @property {string} id
 * @property {string|null} label
 * @property {string} by
 * @property {string} at
 * @property {string|null} reviewed_version
 *
 * @typedef {object} Row
 * @property {string} photo
 * @property {string} version
 * @property {string} key
 * @property {"classified"|"needs_review"|"rejected"|"failed"} status
 * @property {"classified"|"waiting"|"reviewed"|"simulated"|"rejected"|"failed"} state
 * @property {string|null} endpoint
 * @property {string|null} label
 * @property {number|null} confidence
 * @property {Object<string, number>|null} probabilities
 * @property {number|null} threshold
 * @property {number|null} familiarity
 * @property {number|null} familiarity_limit
 * @property {boolean} unfamiliar
 * @property {string|null} loading_bay
 * @property {{code: string, message: string}|null} reason
 * @property {string} started_at
 * @property {string} decided_at
 * @property {string} uploaded_at
 * @property {number} total_ms
 * @property {Review|null} review
 */

/** @param {{photo: string, version: string}} row */
export function idOf(row) {
  return `${row.photo}\n${row.version}`;
}

/** Photos that wait for a person, as this page sees them. */
export class Queue extends EventTarget {
  /** @type {Row[]} */ #rows = [];
  /** @type {boolean} */ more = false;
  /** @type {Map<string, "submitted"|"reviewed">} What was said here, until the queue is without it. */
  #submitted = new Map();
  /** @type {Map<string, Row>} What came back here, until the queue has it. */
  #requeued = new Map();
  /** @type {string[]} */ #skipped = [];

  /** Those to be shown: the longest waiting first, those skipped last. @returns {Row[]} */
  get waiting() {
    const known = new Set(this.#rows.map(idOf));
    const requeued = [...this.#requeued.values()].filter((row) => !known.has(idOf(row)));
    const shown = [...requeued, ...this.#rows].filter((row) => !this.#submitted.has(idOf(row)));
    const rank = (/** @type {Row} */ row) => this.#skipped.indexOf(idOf(row));
    return shown.sort((one, other) => rank(one) - rank(other));
  }

  /** Take what the console tells. @param {Row[]} rows @param {boolean} more */
  set(rows, more) {
    this.#rows = rows;
    this.more = more;
    const known = new Set(rows.map(idOf));
    for (const [id, state] of this.#submitted) if (state === "reviewed" && !known.has(id)) this.#submitted.delete(id);
    for (const id of this.#requeued.keys()) if (known.has(id)) this.#requeued.delete(id);
    this.#skipped = this.#skipped.filter((id) => known.has(id));
    this.#changed();
  }

  /** Something is being said of a photo. @param {Row} row */
  markSubmitted(row) {
    this.#requeued.delete(idOf(row));
    this.#submitted.set(idOf(row), "submitted");
    this.#changed();
  }

  /** It was kept, or somebody else was faster. @param {Row} row */
  markReviewed(row) {
    const still = this.#rows.some((other) => idOf(other) === idOf(row));
    if (still) this.#submitted.set(idOf(row), "reviewed");
    else this.#submitted.delete(idOf(row));
    this.#changed();
  }

  /** It was not kept, or undone: the photo waits again. @param {Row} row */
  requeue(row) {
    this.#submitted.delete(idOf(row));
    this.#skipped = this.#skipped.filter((id) => id !== idOf(row));
    if (!this.#rows.some((other) => idOf(other) === idOf(row))) this.#requeued.set(idOf(row), row);
    this.#changed();
  }

  /** Show all others first. @param {Row} row */
  skip(row) {
    this.#skipped = [...this.#skipped.filter((id) => id !== idOf(row)), idOf(row)];
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Maximum number of results that the page keeps: as many as the console sends at once. */
export const MAX_ROWS_KEPT = 5000;

/** Results of the chosen period, at most `MAX_ROWS_KEPT`, the latest. */
export class Results extends EventTarget {
  /** @type {Map<string, Row>} */ #rows = new Map();
  /** @type {Map<string, Row>|null} What came since results are being read anew. */ #arrivedDuringReload = null;
  /** @type {boolean} */ more = false;
  /** @type {string|null} Back to when records were searched, if that is not the whole time. */ searchedSince = null;

  /** The latest first. @returns {Row[]} */
  get rows() {
    return [...this.#rows.values()].sort((one, other) => Date.parse(other.decided_at) - Date.parse(one.decided_at));
  }

  /** The same photo as it is known now. @param {Row} row @returns {Row|undefined} */
  find(row) {
    return this.#rows.get(idOf(row));
  }

  /** All are being read anew; `set` follows. */
  beginReload() {
    this.#arrivedDuringReload = new Map();
  }

  /**
   * Take what was read; what came meanwhile may be missing there.
   * @param {Row[]} rows @param {boolean} more @param {string|null} searchedSince
   */
  set(rows, more, searchedSince) {
    this.searchedSince = searchedSince;
    this.#rows = new Map([...rows.map((row) => /** @type {const} */ ([idOf(row), row])), ...(this.#arrivedDuringReload ?? [])]);
    this.#arrivedDuringReload = null;
    this.more = more;
    this.#forgetOldest();
    this.dispatchEvent(new Event("change"));
  }

  /** Take what is new. @param {Row[]} rows */
  add(rows) {
    if (!rows.length) return;
    for (const row of rows) {
      this.#rows.set(idOf(row), row);
      this.#arrivedDuringReload?.set(idOf(row), row);
    }
    this.#forgetOldest();
    this.dispatchEvent(new Event("change"));
  }

  #forgetOldest() {
    if (this.#rows.size <= MAX_ROWS_KEPT) return;
    for (const row of this.rows.slice(MAX_ROWS_KEPT)) this.#rows.delete(idOf(row));
    this.more = true;
  }
}

/** Versions in production, by time. */
export class Production extends EventTarget {
  /** @type {{endpoint: string|null, status: string|null, periods: {version: number, since: string, until: string|null}[], read_at: string}|null} */
  #periods = null;

  /** @param {any} found - as the console sends it */
  set(found) {
    this.#periods = found;
    this.dispatchEvent(new Event("change"));
  }

  /** The version in production now and since when, if that is known. */
  get present() {
    const latest = this.#periods?.periods[0];
    return latest && latest.until === null ? latest : undefined;
  }

  get endpoint() {
    return this.#periods && { name: this.#periods.endpoint, status: this.#periods.status };
  }

  /** Whether a result is later than what is known. @param {Row} row */
  isLaterThanRead(row) {
    return this.#periods !== null && Date.parse(row.decided_at) > Date.parse(this.#periods.read_at);
  }

  /** The version that alone was in production while a photo was classified. @param {Row} row @returns {number|undefined} */
  versionOf(row) {
    if (!this.#periods || row.label === null || row.endpoint !== this.#periods.endpoint || this.isLaterThanRead(row)) return undefined;
    const [from, to] = [Date.parse(row.started_at), Date.parse(row.decided_at)];
    return this.#periods.periods.find(({ since, until }) =>
      Date.parse(since) <= from && (until === null || to <= Date.parse(until)))?.version;
  }
}
