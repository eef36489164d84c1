// What the page asks the console, and what went wrong in words.

import { request } from "./access.js";

/** An answer that is none; `kind` is taken, refused, unfinished, fault, or lost (no answer). */
export class Trouble extends Error {
  /**
   * @param {string} kind
   * @param {string} message
   * @param {import("./store.js").Row} [row]
   */
  constructor(kind, message, row) {
    super(message);
    this.kind = kind;
    this.row = row;
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function ask(path, options) {
  let answer;
  try {
    answer = await request(path, options);
  } catch {
    throw new Trouble("lost", "the console does not respond: is `scones console` still running?");
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = { kind: "fault", message: text || `the console responded with HTTP status ${answer.status}` };
  }
  throw new Trouble(said.kind, said.message, said.row);
}

/**
 * @param {string} path
 * @param {Object<string, string>} [query] - empty ones are left out
 * @returns {Promise<any>}
 */
export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  return (await ask(`${path}?${new URLSearchParams(given)}`)).json();
}

/**
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** @type {Map<string, Promise<string>>} */
const pictures = new Map();
const KEPT = 8;

/**
 * Get a photo as the URL of what was downloaded, from those kept if it is among them.
 * @param {{photo: string, version: string}} row
 * @returns {Promise<string>}
 */
export function picture(row) {
  const query = new URLSearchParams({ photo: row.photo, version: row.version }).toString();
  let found = pictures.get(query);
  if (!found) {
    found = ask(`/api/photo?${query}`).then(async (answer) => URL.createObjectURL(await answer.blob()));
    found.catch(() => pictures.delete(query));
  }
  pictures.delete(query);
  pictures.set(query, found);
  for (const [oldest, url] of pictures) {
    if (pictures.size <= KEPT) break;
    pictures.delete(oldest);
    url.then((given) => URL.revokeObjectURL(given), () => {});
  }
  return found;
}

/**
 * Show a photo in a frame, or say why not.
 * @param {HTMLImageElement} image
 * @param {HTMLElement} text
 * @param {import("./store.js").Row} row
 */
export async function showPicture(image, text, row) {
  const wanted = `${row.photo}\n${row.version}`;
  if (image.dataset.wanted === wanted && !image.hidden) return;
  image.dataset.wanted = wanted;
  image.hidden = true;
  text.textContent = "Loading the photo …";
  try {
    const url = await picture(row);
    if (image.dataset.wanted !== wanted) return;
    image.src = url;
    image.alt = row.key;
    image.hidden = false;
    text.textContent = "";
  } catch (trouble) {
    if (image.dataset.wanted === wanted) text.textContent = trouble.message;
  }
}
