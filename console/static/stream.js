// Events from the console, as EventSource has them, which can't send a header.

import { request } from "./access.js";

const AGAIN_MS = 3000;

/**
 * Listen for ever: where the stream ends it is opened again.
 * @param {string} path
 * @param {{open: () => void, event: (name: string, data: any) => void, lost: () => void}} told
 */
export async function listen(path, told) {
  for (;;) {
    try {
      await follow(path, told);
    } catch {
      // Whatever broke it, it is tried again.
    }
    told.lost();
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** @param {string} path @param {{open: () => void, event: (name: string, data: any) => void}} told */
async function follow(path, told) {
  const answer = await request(path);
  if (!answer.ok || !answer.body) return;
  told.open();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value).replaceAll("\r\n", "\n").split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) tell(block, told);
  }
}

/** @param {string} block @param {{event: (name: string, data: any) => void}} told */
function tell(block, told) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    const [field, ...rest] = line.split(":");
    const value = rest.join(":").replace(/^ /, "");
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
  if (data.length) told.event(name, JSON.parse(data.join("\n")));
}
