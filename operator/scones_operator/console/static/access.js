// The token that the link held, kept for this tab, and sent with each request for data.

const KEY = "scones-token";

/** @param {string} token */
export function keepToken(token) {
  sessionStorage.setItem(KEY, token);
}

/**
 * Fetch from the console, as who was let in.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
export function request(path, options = {}) {
  const headers = { ...options.headers, "X-Scones-Token": sessionStorage.getItem(KEY) ?? "" };
  return fetch(path, { ...options, headers });
}
