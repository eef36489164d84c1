// Filters of the results: the form, the address that keeps them, and which rows they take.

import { byId, createElement } from "./dom.js";
import { STATUS_LABELS, effectiveLabel } from "./format.js";

/** @typedef {import("./store.js").Row} Row */

const TYPING_MS = 400;
const HOUR_MS = 3_600_000;
/** The choice of the period that stands for a start and an end. */
const RANGE = "range";
/** Names in the address, which are those of the fields. */
const FIELDS = ["hours", "since", "until", "state", "label", "name"];
const DEFAULTS = /** @type {Object<string, string>} */ ({ hours: "24" });

/** @param {string} name @returns {HTMLInputElement|HTMLSelectElement} */
function field(name) {
  return /** @type {HTMLInputElement|HTMLSelectElement} */ (byId(`filter-${name}`));
}

export class Filters {
  #timer = 0;

  /** @param {() => void} changed - called when results are to be read again */
  constructor(changed) {
    field("state").append(...Object.entries(STATUS_LABELS).map(([state, name]) => createElement("option", { value: state }, name)));
    const apply = () => {
      clearTimeout(this.#timer);
      this.#showRange();
      this.#updateAddress();
      changed();
    };
    for (const name of FIELDS) field(name).addEventListener("change", apply);
    field("name").addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = window.setTimeout(apply, TYPING_MS);
    });
    byId("filters").addEventListener("submit", (event) => {
      event.preventDefault();
      apply();
    });
    byId("filters").addEventListener("reset", (event) => {
      event.preventDefault();
      this.#fill(new URLSearchParams());
      apply();
    });
  }

  /** Take the filters from the address; true if they differ from those before. */
  load() {
    const before = this.#address();
    const [section, query = ""] = location.hash.slice(1).split("?");
    if (section !== "results") return false;
    this.#fill(new URLSearchParams(query));
    this.#updateAddress();
    return this.#address() !== before;
  }

  /** Whether a filter other than the time is set. */
  get narrow() {
    return ["state", "label", "name"].some((name) => field(name).value.trim() !== "");
  }

  /** Start and end of the time range, in milliseconds; no end if it is open. @returns {[number, number]} */
  get range() {
    if (field("hours").value !== RANGE) return [Date.now() - Number(field("hours").value) * HOUR_MS, Infinity];
    const [since, until] = ["since", "until"].map((name) => Date.parse(field(name).value));
    return [Number.isNaN(since) ? -Infinity : since, Number.isNaN(until) ? Infinity : until];
  }

  /** As the console takes them. @returns {Object<string, string>} */
  get query() {
    const values = Object.fromEntries(FIELDS.map((name) => [name, field(name).value.trim()]).filter(([, value]) => value));
    if (values.hours !== RANGE) return { ...values, since: "", until: "" };
    const [since, until] = this.range;
    return {
      ...values,
      hours: "",
      since: new Date(Math.max(since, 0)).toISOString(),
      until: until === Infinity ? "" : new Date(until).toISOString(),
    };
  }

  /** Choose the rows that are wanted, as the console chooses them. @param {Row[]} rows */
  choose(rows) {
    const [since, until] = this.range;
    const [state, label, name] = ["state", "label", "name"].map((input) => field(input).value.trim());
    return rows.filter((row) => {
      const at = Date.parse(row.decided_at);
      return at >= since && at < until
        && (!state || row.state === state)
        && (!label || effectiveLabel(row) === label)
        && row.key.toLowerCase().includes(name.toLowerCase());
    });
  }

  /** @param {URLSearchParams} values */
  #fill(values) {
    for (const name of FIELDS) {
      const input = field(name);
      input.value = values.get(name) ?? DEFAULTS[name] ?? "";
      // A select has no choice of an unknown value.
      if (input instanceof HTMLSelectElement && input.selectedIndex < 0) input.value = DEFAULTS[name] ?? "";
    }
    this.#showRange();
  }

  #showRange() {
    byId("filter-range").hidden = field("hours").value !== RANGE;
  }

  /** The part of the address that keeps the filters. */
  #address() {
    const isRange = field("hours").value === RANGE;
    const values = FIELDS.filter((name) => isRange || (name !== "since" && name !== "until"))
      .map((name) => [name, field(name).value.trim()])
      .filter(([name, value]) => value !== (DEFAULTS[name] ?? ""));
    const query = new URLSearchParams(values).toString();
    return `#results${query ? `?${query}` : ""}`;
  }

  #updateAddress() {
    const address = this.#address();
    byId("to-results").setAttribute("href", address);
    if (location.hash.startsWith("#results") && location.hash !== address) history.replaceState(null, "", address);
  }
}
