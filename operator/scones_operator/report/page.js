"use strict";
// Charts stand in the page as JSON; each is drawn into the element that names it.
const plots = [...document.querySelectorAll(".plot")];
for (const plot of plots) {
  const chart = JSON.parse(document.getElementById(plot.dataset.chart).textContent);
  Plotly.newPlot(plot, chart.data, chart.layout, { displayModeBar: false, responsive: true });
}
// Paper is narrower than most windows, and is not waited for.
const PAPER = 660;
addEventListener("beforeprint", () => {
  for (const plot of plots) Plotly.relayout(plot, { width: PAPER });
});
addEventListener("afterprint", () => {
  for (const plot of plots) Plotly.relayout(plot, { width: null, autosize: true });
});
