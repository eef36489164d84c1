// Models: the versions, what is in production, and the question whether one may go there.

import { get, post } from "./api.js";
import { byId, make, show, tableRow } from "./dom.js";
import { announce, mended, notice } from "./notices.js";
import { moment } from "./words.js";

const LOOK_MS = 15_000;
const WORDS = { Approved: "approved", Rejected: "rejected", PendingManualApproval: "pending" };

/** @param {() => boolean} isLookedAt */
export function startModels(isLookedAt) {
  byId("models-again").addEventListener("click", loadModels);
  setInterval(() => {
    if (isLookedAt() && !document.hidden && !document.querySelector("dialog[open]")) loadModels();
  }, LOOK_MS);
}

/** Read the versions and what is under way. */
export async function loadModels() {
  try {
    const found = await get("/api/models");
    mended("models");
    showProduction(found.production);
    showPromotions(found.promotions);
    showVersions(found.versions);
    show("versions-more", found.more);
  } catch (trouble) {
    notice("models", `The models cannot be read: ${trouble.message}`);
  }
}

/** @param {any} production */
function showProduction(production) {
  const arn = production?.model_package_arn;
  const what = arn ? `version ${arn.slice(arn.lastIndexOf("/") + 1)}` : production?.artifacts ?? "no model";
  byId("production").textContent = production
    ? `In production: ${what} (endpoint ${production.endpoint}: ${production.status}).`
    : "Nothing is in production: there is no endpoint.";
}

/** @param {any[]} promotions */
function showPromotions(promotions) {
  const asked = promotions.filter((item) => item.question).length;
  byId("question-count").textContent = String(asked);
  show("question-count", asked > 0);
  byId("promotions").replaceChildren(...promotions.map((item) =>
    item.question ? questionCard(item.question) : make("p", {}, `Running: ${item.what}, ${item.step ?? "just started"}.`)));
}

/** @param {any} question */
function questionCard(question) {
  const { version } = question;
  const answer = (/** @type {boolean} */ approved) => decide({
    title: approved ? `Promote version ${version} to production?` : `Reject the promotion of version ${version}?`,
    text: approved ? "It is deployed with a canary; alarms roll it back." : "Production is unchanged.",
    yes: approved ? "Promote" : "Keep current model",
    path: `/api/models/${version}/answer`,
    body: { approved },
  });
  return make("div", { class: "card" },
    make("h3", {}, `Version ${version} is in staging. Promote it to production?`),
    make("p", {}, `Smoke test: ${question.smoke_test}. Waiting since ${moment(question.asked_at)}.`),
    make("p", { class: "actions" },
      button("Promote", () => answer(true), "chief"), " ", button("Keep current model", () => answer(false))));
}

/** @param {any[]} versions */
function showVersions(versions) {
  const lines = versions.map((version) => {
    const line = tableRow([
      ["version", version.in_production ? `${version.number} ● in production` : String(version.number)],
      ["registered", moment(version.registered_at)],
      ["status", WORDS[/** @type {keyof typeof WORDS} */ (version.status)] ?? version.status, "status"],
      ["accuracy", figure(version.accuracy), "number"],
      ["suggested threshold", figure(version.threshold), "number"],
      ["comment", version.comment || "–"],
      ["", make("span", { class: "actions" }, ...actionsOf(version))],
    ]);
    line.className = `${version.status}${version.in_production ? " chosen" : ""}`;
    return line;
  });
  /** @type {HTMLElement} */ (byId("versions").querySelector("tbody")).replaceChildren(...lines);
  show("versions", versions.length > 0);
  show("versions-empty", versions.length === 0);
}

/** @param {any} version */
function actionsOf(version) {
  const { number } = version;
  const word = version.status === "Approved" ? "Promote" : "Approve";
  const approve = () => decide({
    title: `${word} version ${number}?`,
    text: "It is tested in staging with labeled photos. Then its promotion to production waits for approval.",
    yes: word,
    path: `/api/models/${number}/approve`,
    body: {},
  });
  const reject = () => decide({
    title: `Reject version ${number}?`,
    text: version.in_production
      ? "It stays in production until another one is promoted or rolled back to. "
        + "The next retraining cannot compare with it: only the minimum accuracy counts."
      : "It can be neither promoted nor rolled back to.",
    yes: "Reject",
    path: `/api/models/${number}/reject`,
    body: {},
  });
  return [
    ...(version.in_production ? [] : [button(word, approve, "", `${word} version ${number}`)]),
    ...(version.status === "Rejected" ? [] : [button("Reject", reject, "", `Reject version ${number}`)]),
  ];
}

/**
 * Ask whether it is meant so, and why; then do it.
 * @param {{title: string, text: string, yes: string, path: string, body: object}} what
 */
function decide(what) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("decide-dialog"));
  const comment = /** @type {HTMLTextAreaElement} */ (byId("decide-comment"));
  byId("decide-title").textContent = what.title;
  byId("decide-text").textContent = what.text;
  byId("decide-yes").textContent = what.yes;
  comment.value = "";
  dialog.returnValue = "no";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") send(what.path, { ...what.body, comment: comment.value });
  }, { once: true });
  dialog.showModal();
}

/** @param {string} path @param {object} body */
async function send(path, body) {
  try {
    const { message } = await post(path, body);
    mended("decision");
    announce(message);
    notice("decided", message, "news");
  } catch (trouble) {
    notice("decision", trouble.message);
  }
  await loadModels();
}

/**
 * @param {string} text
 * @param {() => void} action
 * @param {string} [kind]
 * @param {string} [spoken]
 */
function button(text, action, kind = "", spoken = text) {
  const made = make("button", { type: "button", class: kind, "aria-label": spoken }, text);
  made.addEventListener("click", action);
  return made;
}

/** @param {number|null} value */
function figure(value) {
  return value === null ? "–" : value.toFixed(3);
}
