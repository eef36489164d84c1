// How numbers, moments and rows are put to a person.

/** @typedef {import("./store.js").Row} Row */

/** Names of the states, in the order of the tiles and of the filter. */
export const STATUS_LABELS = {
  classified: "classified",
  waiting: "waiting for review",
  reviewed: "reviewed",
  simulated: "below threshold, simulated",
  rejected: "rejected",
  failed: "failed",
};

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

// All times of the page are in the viewer's time zone, on a 24-hour clock. This is the only place
// that formats a time; the header shows the zone.

/** Write a time, such as 2026-11-20 09:30:00. @param {string|Date} at */
export function formatTime(at) {
  const time = new Date(at);
  const [year, ...rest] = [
    time.getFullYear(), time.getMonth() + 1, time.getDate(), time.getHours(), time.getMinutes(), time.getSeconds(),
  ];
  const [month, day, hours, minutes, seconds] = rest.map((number) => String(number).padStart(2, "0"));
  return `${year}-${month}-${day} ${hours}:${minutes}:${seconds}`;
}

/** Name the viewer's time zone, such as Asia/Kolkata (UTC+05:30). */
export function zone() {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const ahead = -new Date().getTimezoneOffset();
  if (ahead === 0) return name === "UTC" ? name : `${name} (UTC)`;
  const [hours, minutes] = [Math.trunc(Math.abs(ahead) / 60), Math.abs(ahead) % 60].map((number) => String(number).padStart(2, "0"));
  return `${name} (UTC${ahead < 0 ? "-" : "+"}${hours}:${minutes})`;
}

/** Write how long ago something was. @param {string} at */
export function timeAgo(at) {
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
export function displayKey(row) {
  return row.key.replace(/^incoming\//, "");
}

/** The photo's path, with its folder set apart. @param {Row} row @returns {Node[]} */
export function pathParts(row) {
  const folder = displayKey(row).slice(0, displayKey(row).length - fileName(row).length);
  const name = document.createTextNode(fileName(row));
  if (!folder) return [name];
  const before = document.createElement("span");
  before.className = "folder";
  before.textContent = folder;
  return [before, name];
}

/** Write a text so that Plotly shows it as it is: it takes tags and entities. @param {string} text */
export function escapeForPlotly(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The label of a review. @param {{label: string|null}} review */
export function reviewLabel(review) {
  return review.label ?? "none of the classes";
}

/** Write a share of a count, such as 33.3 % of 120. @param {number} count @param {number} whole */
export function shareOf(count, whole) {
  if (!whole) return "";
  // Only all is 100 %, and only none is 0 %.
  const limit = count === whole ? null : 1;
  const share = count / whole;
  const text = count && Number((100 * share).toFixed(1)) === 0 ? "< 0.1 %" : percent(share, limit);
  return `${text} of ${whole}`;
}

/** The status, and that the photo is unfamiliar. @param {Row} row */
export function statusText(row) {
  return row.unfamiliar ? `${STATUS_LABELS[row.state]}: unfamiliar` : STATUS_LABELS[row.state];
}

/** The familiarity with its limit. @param {Row} row */
export function familiarityText(row) {
  return `${row.familiarity?.toFixed(3)}, limit ${row.familiarity_limit}`;
}

/** What a photo shows as far as is known: a person's word counts more. @param {Row} row */
export function effectiveLabel(row) {
  return row.review ? reviewLabel(row.review) : (row.label ?? "–");
}
