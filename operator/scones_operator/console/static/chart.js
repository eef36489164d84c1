// Confidence over time, with the threshold that held when each photo was decided.

import { byId, setVisible } from "./dom.js";
import { fileName, formatTime, percent, escapeForPlotly } from "./format.js";

/** @typedef {import("./store.js").Row} Row */

const MAX_POINTS = 2000;
const REDRAW_MS = 500;
const SECOND = 1000, DAY = 86_400_000;
/** Formats of the time axis by the distance of its ticks: as `moment` writes times. */
const TICKS = [
  { dtickrange: [null, SECOND], value: "%H:%M:%S.%L\n%Y-%m-%d" },
  { dtickrange: [SECOND, 60 * SECOND], value: "%H:%M:%S\n%Y-%m-%d" },
  { dtickrange: [60 * SECOND, DAY], value: "%H:%M\n%Y-%m-%d" },
  { dtickrange: [DAY, null], value: "%Y-%m-%d" },
];

/** @type {Promise<any>|null} */
let plotly = null;
let timer = 0;

/** Plotly has megabytes: it is loaded when a chart is first looked at. */
function load() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/plotly.js";
    script.onload = () => resolve(/** @type {any} */ (window).Plotly);
    script.onerror = () => {
      plotly = null;
      reject(new Error("the charts cannot be loaded"));
    };
    document.head.append(script);
  });
  return plotly;
}

/**
 * Draw the chart, soon: many results at once are drawn once.
 * @param {Row[]} rows - the latest first
 * @param {string[]} classes
 */
export function renderChart(rows, classes) {
  const classified = rows.filter((row) => row.confidence !== null).slice(0, MAX_POINTS).reverse();
  setVisible("chart", classified.length > 0);
  setVisible("chart-caption", classified.length > 0);
  setVisible("chart-empty", classified.length === 0);
  byId("chart").setAttribute("aria-label", summary(classified));
  clearTimeout(timer);
  if (classified.length) timer = window.setTimeout(() => renderChartNow(classified, classes), REDRAW_MS);
}

/** @param {Row[]} rows */
function summary(rows) {
  const accepted = rows.filter((row) => row.status === "classified").length;
  return `Confidence over time: ${accepted} of ${rows.length} photos were classified without review.`;
}

/** @param {Row[]} rows @param {string[]} classes */
async function renderChartNow(rows, classes) {
  const plotlyModule = await load().catch(() => null);
  if (!plotlyModule) return;
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const traces = classes.flatMap((name, index) => classTraces(rows.filter((row) => row.label === name), name, color(`--class-${index % 8}`)));
  const lowest = Math.min(...rows.map((row) => row.confidence ?? 1));
  const threshold = {
    name: "threshold",
    x: rows.map((row) => formatTime(row.decided_at)), // Plotly knows no time zones
    y: rows.map((row) => row.threshold),
    mode: "lines",
    line: { color: color("--strong"), width: 1.5, dash: "dash", shape: "hv" },
    hovertemplate: "threshold %{y:.3f}<extra></extra>",
  };
  const grid = { gridcolor: color("--line"), zeroline: false, linecolor: color("--line") };
  const layout = {
    height: 320,
    margin: { l: 48, r: 12, t: 8, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: color("--ink"), family: "inherit", size: 13 },
    xaxis: { ...grid, type: "date", hoverformat: "%Y-%m-%d %H:%M:%S", tickformatstops: TICKS, nticks: Math.max(3, Math.floor(byId("chart").clientWidth / 160)) },
    yaxis: { ...grid, range: [Math.max(0, Math.floor(10 * lowest) / 10 - 0.05), 1.03], tickformat: ".0%" },
    legend: { orientation: "h", y: -0.18 },
    hovermode: "closest",
    uirevision: "kept", // who has zoomed in stays there
  };
  await plotlyModule.react(byId("chart"), [...traces, threshold], layout, { displayModeBar: false, responsive: true });
}

/**
 * Filled circles for what the model decided, which stand for the class in the legend too; open
 * ones for what needed review.
 * @param {Row[]} rows
 * @param {string} name
 * @param {string} color
 */
function classTraces(rows, name, color) {
  const accepted = rows.filter((row) => row.status === "classified");
  const needsReview = rows.filter((row) => row.status !== "classified");
  return [points(accepted, name, color, "circle"), points(needsReview, name, color, "circle-open")];
}

/** @param {Row[]} rows @param {string} name @param {string} color @param {string} symbol */
function points(rows, name, color, symbol) {
  return {
    name: escapeForPlotly(name),
    legendgroup: name,
    showlegend: symbol === "circle",
    // One that is nowhere: a trace of none has no place in the legend.
    x: [...rows.map((row) => formatTime(row.decided_at)), null],
    y: [...rows.map((row) => row.confidence), null],
    text: rows.map((row) => escapeForPlotly(`${fileName(row)}: ${name}, ${percent(row.confidence, row.threshold)}${row.unfamiliar ? ", unfamiliar" : ""}`)),
    mode: "markers",
    marker: { color: color, size: 8, symbol, line: { color: color, width: 1.5 } },
    hovertemplate: "%{text}<extra></extra>",
  };
}
