// What the page asks the console, and what went wrong in words.

import { request as fetchFromConsole } from "./access.js";

/** A failed request; `kind` is already_reviewed, precondition, incomplete, error, or unreachable. */
export class ApiError extends Error {
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
async function request(path, options) {
  let response;
  try {
    response = await fetchFromConsole(path, options);
  } catch {
    throw new ApiError("unreachable", "the console does not respond: is `scones console` still running?");
  }
  if (response.ok) return response;
  const text = await response.text();
  let failure;
  try {
    failure = JSON.parse(text);
  } catch {
    failure = { kind: "error", message: text || `the console responded with HTTP status ${response.status}` };
  }
  throw new ApiError(failure.kind, failure.message, failure.row);
}

/**
 * @param {string} path
 * @param {Object<string, string>} [query] - empty ones are left out
 * @returns {Promise<any>}
 */
export async function get(path, query = {}) {
  const parameters = Object.entries(query).filter(([, value]) => value !== "");
  return (await request(`${path}?${new URLSearchParams(parameters)}`)).json();
}

/**
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** @type {Map<string, Promise<string>>} */
const previews = new Map();
const CACHE_SIZE = 8;

/**
 * Get a photo as the URL of what was downloaded, from those kept if it is among them.
 * @param {{photo: string, version: string}} row
 * @returns {Promise<string>}
 */
export function previewUrl(row) {
  const query = new URLSearchParams({ photo: row.photo, version: row.version }).toString();
  let preview = previews.get(query);
  if (!preview) {
    preview = request(`/api/photo?${query}`).then(async (response) => URL.createObjectURL(await response.blob()));
    preview.catch(() => previews.delete(query));
  }
  previews.delete(query);
  previews.set(query, preview);
  for (const [oldest, url] of previews) {
    if (previews.size <= CACHE_SIZE) break;
    previews.delete(oldest);
    url.then((parameters) => URL.revokeObjectURL(parameters), () => {});
  }
  return preview;
}

/**
 * Show a photo in a frame, or say why not.
 * @param {HTMLImageElement} image
 * @param {HTMLElement} text
 * @param {import("./store.js").Row} row
 */
export async function showPreview(image, text, row) {
  const requested = `${row.photo}\n${row.version}`;
  if (image.dataset.requested === requested && !image.hidden) return;
  image.dataset.requested = requested;
  image.hidden = true;
  text.textContent = "Loading the photo …";
  try {
    const url = await previewUrl(row);
    if (image.dataset.requested !== requested) return;
    image.src = url;
    image.alt = row.key;
    image.hidden = false;
    text.textContent = "";
  } catch (error) {
    if (image.dataset.requested === requested) text.textContent = error.message;
  }
}
