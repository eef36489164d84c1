// Events from the console, as EventSource has them, which can't send a header.

import { request } from "./access.js";

const AGAIN_MS = 3000;

/**
 * Listen until the console refuses the token: where the stream ends it is opened again.
 * @param {string} path
 * @param {{open: () => void, event: (name: string, data: any) => void, lost: (why?: string) => void}} told
 */
export async function listen(path, told) {
  for (;;) {
    let refusal;
    try {
      refusal = await follow(path, told);
    } catch {
      // Whatever broke it, it is tried again.
    }
    told.lost(refusal);
    if (refusal) return;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/**
 * Read a stream to its end.
 * @param {string} path
 * @param {{open: () => void, event: (name: string, data: any) => void}} told
 * @returns {Promise<string|undefined>} why the console refuses the token, if it does
 */
async function follow(path, told) {
  const answer = await request(path);
  if (answer.status === 403) return answer.text();
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
