// Events from the console, as EventSource has them, which can't send a header.

import { request } from "./access.js";

const RECONNECT_MS = 3000;

/**
 * Listen until the console refuses the token: where the stream ends it is opened again.
 * @param {string} path
 * @param {{open: () => void, event: (name: string, data: any) => void, lost: (reason?: string) => void}} handlers
 */
export async function connect(path, handlers) {
  for (;;) {
    let refusal;
    try {
      refusal = await follow(path, handlers);
    } catch {
      // Whatever broke it, it is tried again.
    }
    handlers.lost(refusal);
    if (refusal) return;
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
  }
}

/**
 * Read a stream to its end.
 * @param {string} path
 * @param {{open: () => void, event: (name: string, data: any) => void}} handlers
 * @returns {Promise<string|undefined>} why the console refuses the token, if it does
 */
async function follow(path, handlers) {
  const response = await request(path);
  if (response.status === 403) return response.text();
  if (!response.ok || !response.body) return;
  handlers.open();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value).replaceAll("\r\n", "\n").split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) dispatch(block, handlers);
  }
}

/** @param {string} block @param {{event: (name: string, data: any) => void}} handlers */
function dispatch(block, handlers) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    const [field, ...rest] = line.split(":");
    const value = rest.join(":").replace(/^ /, "");
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
  if (data.length) handlers.event(name, JSON.parse(data.join("\n")));
}
