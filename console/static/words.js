// How numbers, moments and rows are put to a person.

/** @typedef {import("./store.js").Row} Row */

export const STATUSES = {
  classified: "classified",
  needs_review: "needs review",
  rejected: "rejected",
  failed: "failed",
};

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * Write a share, on its own side of the limit that it is compared with.
 * @param {number|null} share @param {number|null} [limit] @returns {string}
 */
export function percent(share, limit = null) {
  if (share === null) return "–";
  for (let digits = 1; digits < 7; digits++) {
    const text = (100 * share).toFixed(digits);
    if (limit === null || (Number(text) / 100 < limit) === (share < limit)) return `${text} %`;
  }
  return `${100 * share} %`;
}

/** Write a moment: the time where it is of today, the date as well otherwise. @param {string} at */
export function moment(at) {
  const when = new Date(at);
  const today = when.toDateString() === new Date().toDateString();
  return (today ? clock : calendar).format(when);
}

/** Write how long ago something was. @param {string} at */
export function ago(at) {
  const minutes = Math.max(0, Math.round((Date.now() - Date.parse(at)) / 60_000));
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.round(hours / 24)} days ago`;
}

/** The photo's name without its folder. @param {Row} row */
export function fileName(row) {
  return row.key.slice(row.key.lastIndexOf("/") + 1);
}

/** Where the photo is among those that came: its key, as all begin alike. @param {Row} row */
export function path(row) {
  return row.key.replace(/^incoming\//, "");
}

/** Write a text so that Plotly shows it as it is: it takes tags and entities. @param {string} text */
export function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** What a person said. @param {{label: string|null}} review */
export function verdict(review) {
  return review.label ?? "not a vehicle";
}

/** The status, and that the photo is unfamiliar. @param {Row} row */
export function statusText(row) {
  return row.unfamiliar ? `${STATUSES[row.status]}: unfamiliar` : STATUSES[row.status];
}

/** The familiarity with its limit. @param {Row} row */
export function familiarityText(row) {
  return `${row.familiarity?.toFixed(3)}, limit ${row.familiarity_limit}`;
}

/** What a photo shows as far as is known: a person's word counts more. @param {Row} row */
export function shows(row) {
  return row.review ? verdict(row.review) : (row.label ?? "–");
}
