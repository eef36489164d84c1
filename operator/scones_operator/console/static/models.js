// Models: the versions, what is in production, and the request whether one may go there.

import { get, post } from "./api.js";
import { byId, createElement, setVisible, tableRow } from "./dom.js";
import { announce, clearNotice, showNotice } from "./notices.js";
import { formatTime } from "./format.js";

const POLL_MS = 15_000;
const APPROVAL_STATUS_LABELS = { Approved: "approved", Rejected: "rejected", PendingManualApproval: "pending" };

/** @param {() => boolean} isVisible */
export function startModels(isVisible) {
  byId("refresh-models").addEventListener("click", loadModels);
  setInterval(() => {
    if (isVisible() && !document.hidden && !document.querySelector("dialog[open]")) loadModels();
  }, POLL_MS);
}

/** Read the versions and what is under way. */
export async function loadModels() {
  try {
    const found = await get("/api/models");
    clearNotice("models");
    showProduction(found.production);
    showPromotions(found.promotions);
    showVersions(found.versions);
    setVisible("versions-more", found.more);
  } catch (error) {
    showNotice("models", `The models cannot be read: ${error.message}`);
  }
}

/** @param {any} production */
function showProduction(production) {
  const arn = production?.model_package_arn;
  const action = arn ? `version ${arn.slice(arn.lastIndexOf("/") + 1)}` : production?.artifacts ?? "no model";
  byId("production").textContent = production
    ? `In production: ${action} (endpoint ${production.endpoint}: ${production.status}).`
    : "Nothing is in production: there is no endpoint.";
}

/** @param {any[]} promotions */
function showPromotions(promotions) {
  const pending = promotions.filter((item) => item.approval_request).length;
  byId("approval-count").textContent = String(pending);
  setVisible("approval-count", pending > 0);
  byId("promotions").replaceChildren(...promotions.map((item) =>
    item.approval_request ? approvalCard(item.approval_request) : createElement("p", {}, `Running: ${item.title}, ${item.step ?? "just started"}.`)));
}

/** @param {any} request */
function approvalCard(request) {
  const { version } = request;
  const decide = (/** @type {boolean} */ approved) => confirmAction({
    title: approved ? `Promote version ${version} to production?` : `Reject the promotion of version ${version}?`,
    text: approved ? "It is deployed with a canary; alarms roll it back." : "Production is unchanged.",
    yes: approved ? "Promote" : "Keep current model",
    path: `/api/models/${version}/promotion`,
    body: { approved },
  });
  return createElement("div", { class: "card" },
    createElement("h3", {}, `Version ${version} is in staging. Promote it to production?`),
    createElement("p", {}, `Smoke test: ${request.smoke_test}. Waiting since ${formatTime(request.asked_at)}.`),
    createElement("p", { class: "actions" },
      button("Promote", () => decide(true), "primary"), " ", button("Keep current model", () => decide(false))));
}

/** @param {any[]} versions */
function showVersions(versions) {
  const lines = versions.map((version) => {
    const line = tableRow([
      ["version", version.in_production ? `${version.number} ● in production` : String(version.number)],
      ["registered", formatTime(version.registered_at)],
      ["status", APPROVAL_STATUS_LABELS[/** @type {keyof typeof APPROVAL_STATUS_LABELS} */ (version.status)] ?? version.status, "status"],
      ["accuracy", formatNumber(version.accuracy), "number"],
      ["suggested threshold", formatNumber(version.threshold), "number"],
      ["comment", version.comment || "–"],
      ["", createElement("span", { class: "actions" }, ...actionsOf(version))],
    ]);
    line.className = `${version.status}${version.in_production ? " chosen" : ""}`;
    return line;
  });
  /** @type {HTMLElement} */ (byId("versions").querySelector("tbody")).replaceChildren(...lines);
  setVisible("versions", versions.length > 0);
  setVisible("versions-empty", versions.length === 0);
}

/** @param {any} version */
function actionsOf(version) {
  const { number } = version;
  const verb = version.status === "Approved" ? "Promote" : "Approve";
  const approve = () => confirmAction({
    title: `${verb} version ${number}?`,
    text: "It is tested in staging with labeled photos. Then its promotion to production waits for approval.",
    yes: verb,
    path: `/api/models/${number}/approve`,
    body: {},
  });
  const reject = () => confirmAction({
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
    ...(version.in_production ? [] : [button(verb, approve, "", `${verb} version ${number}`)]),
    ...(version.status === "Rejected" ? [] : [button("Reject", reject, "", `Reject version ${number}`)]),
  ];
}

/**
 * Ask whether it is meant so, and why; then do it.
 * @param {{title: string, text: string, yes: string, path: string, body: object}} action
 */
function confirmAction(action) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("confirm-dialog"));
  const comment = /** @type {HTMLTextAreaElement} */ (byId("confirm-comment"));
  byId("confirm-title").textContent = action.title;
  byId("confirm-text").textContent = action.text;
  byId("confirm-yes").textContent = action.yes;
  comment.value = "";
  dialog.returnValue = "no";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") send(action.path, { ...action.body, comment: comment.value });
  }, { once: true });
  dialog.showModal();
}

/** @param {string} path @param {object} body */
async function send(path, body) {
  try {
    const { message } = await post(path, body);
    clearNotice("decision");
    announce(message);
    showNotice("decided", message, "info");
  } catch (error) {
    showNotice("decision", error.message);
  }
  await loadModels();
}

/**
 * @param {string} text
 * @param {() => void} action
 * @param {string} [kind]
 * @param {string} [label]
 */
function button(text, action, kind = "", label = text) {
  const element = createElement("button", { type: "button", class: kind, "aria-label": label }, text);
  element.addEventListener("click", action);
  return element;
}

/** @param {number|null} value */
function formatNumber(value) {
  return value === null ? "–" : value.toFixed(3);
}
