// Draws Grafana's panels: the explorer asks Prometheus what each panel's JSON says. Only panels in
// sight are asked for, again every few seconds.
import { paint, widthOf } from "/static/charts.js";
import { write } from "/static/units.js";

const REFRESH_MS = 10_000;
const HEIGHT = 190;
const COLOURS = 8;
const LETTERS = 32;
// What moves that little is drawn without the way up from zero: prices.
const NARROW = 0.8;
const board = document.getElementById("board");
const problem = document.getElementById("dashboard-problem");
const inSight = new Set();
const drawn = new Map();

const clock = (at, seconds) => new Date(at * 1000).toISOString().slice(...(seconds > 86_000 ? [5, 16] : [11, 16])).replace("T", " ");

function start() {
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inSight.add(target);
      else inSight.delete(target);
      if (isIntersecting && !drawn.has(target)) refresh(target);
    }
  }, { rootMargin: "200px" });
  for (const element of board.querySelectorAll("[data-panel]")) watch.observe(element);
  setInterval(() => document.hidden || inSight.forEach(refresh), REFRESH_MS);
  addEventListener("repaint", () => {
    // A copy: drawing puts each back into the map, behind the last.
    for (const [element, { told }] of [...drawn]) draw(element, told);
  });
}

async function refresh(element) {
  if (element.dataset.busy) return;
  element.dataset.busy = "yes";
  try {
    const response = await fetch(`/data/dashboards/${board.dataset.uid}/${element.dataset.panel}?since=${board.dataset.since}`);
    const told = await response.json();
    if (!response.ok) throw new Error(told.error?.message ?? `The explorer answered ${response.status}.`);
    if (told.problem) complain(element, told.problem);
    else draw(element, told);
  } catch (error) {
    complain(element, error.message);
  }
  delete element.dataset.busy;
}

function complain(element, message) {
  forget(element);
  // What one panel lacks it says itself; what all lack is said once.
  if (!/prometheus/i.test(message)) return say(element, `${message[0].toUpperCase()}${message.slice(1)}.`);
  say(element, "No figures now.");
  const helps = message.startsWith("no Prometheus")
    ? " The dashboards’ figures need it: where the program prometheus is installed (Debian: apt-get install prometheus), taonet up starts it with the rest."
    : "";
  problem.textContent = `${message[0].toUpperCase()}${message.slice(1)}.${helps} This page keeps asking.`;
  problem.hidden = false;
}

function draw(element, told) {
  if (told.lines) problem.hidden = true;
  if (told.columns && element.dataset.kind === "stat" && told.rows.length) drawValue(element, told);
  else if (told.columns) drawTable(element, told);
  else if (!told.lines.length) {
    forget(element);
    say(element, "Nothing of this has happened yet.");
    drawn.set(element, { told, destroy() {} });
  } else if (["stat", "gauge"].includes(element.dataset.kind)) drawFigure(element, told);
  else if (["table", "bargauge", "piechart", "barchart"].includes(element.dataset.kind)) drawList(element, told);
  else drawLines(element, told);
}

function forget(element) {
  drawn.get(element)?.destroy();
  drawn.delete(element);
}

function say(element, text) {
  element.replaceChildren(Object.assign(document.createElement("p"), { className: "empty", textContent: text }));
}

const last = (values) => values.findLast((value) => value != null) ?? null;

function drawValue(element, told) {
  forget(element);
  element.replaceChildren(Object.assign(document.createElement("p"), { className: "value", textContent: write(told.rows[0].at(-1), element.dataset.unit) }));
  drawn.set(element, { told, destroy() {} });
}

function drawFigure(element, told) {
  forget(element);
  const [line] = told.lines;
  const value = Object.assign(document.createElement("p"), { className: "value", textContent: write(last(line.values), element.dataset.unit) });
  element.replaceChildren(value);
  const { colour } = paint();
  const chart = new uPlot({
    width: element.clientWidth, height: 34, legend: { show: false }, cursor: { show: false },
    axes: [{ show: false }, { show: false }], scales: { x: { time: false } }, padding: [2, 0, 2, 0],
    series: [{}, { stroke: colour("--accent"), fill: colour("--wash"), width: 1.25, points: { show: false }, spanGaps: true }],
  }, [told.times_s, line.values], element);
  drawn.set(element, { told, destroy: () => chart.destroy() });
}

function drawList(element, told) {
  forget(element);
  const rows = told.lines.map((line) => [line.label, last(line.values)]).sort((a, b) => b[1] - a[1]);
  fillTable(element, null, rows);
  drawn.set(element, { told, destroy() {} });
}

function drawTable(element, told) {
  forget(element);
  if (told.rows.length) fillTable(element, told.columns, told.rows);
  else say(element, "Nothing of this has happened yet.");
  drawn.set(element, { told, destroy() {} });
}

function fillTable(element, columns, rows) {
  const kinds = rows[0].map((_, i) => (rows.some((row) => typeof row[i] === "number") ? "number" : "text"));
  const cell = (tag, text, i) => Object.assign(document.createElement(tag), {
    textContent: shorten(text), title: shorten(text) === text ? "" : text, className: kinds[i],
  });
  const table = document.createElement("table");
  if (columns) table.createTHead().insertRow().append(...columns.map((name, i) => cell("th", name, i)));
  const body = table.createTBody();
  for (const values of rows) body.insertRow().append(...values.map((value, i) => cell("td", write(value, element.dataset.unit), i)));
  const scroll = Object.assign(document.createElement("div"), { className: "scroll short", tabIndex: 0 });
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-labelledby", `panel-${element.dataset.panel}`);
  scroll.append(table);
  element.replaceChildren(scroll);
}

const shorten = (text) => (text.length > LETTERS && !text.includes(" ") ? `${text.slice(0, 8)}…${text.slice(-4)}` : text);

function drawLines(element, told) {
  const data = [told.times_s, ...told.lines.map((line) => line.values)];
  const known = drawn.get(element);
  const labels = told.lines.map((line) => line.label).join("\n");
  if (known?.labels === labels && known.chart?.width === element.clientWidth && known.colour === paint().colour("--accent")) {
    known.told = told;
    known.chart.setData(data);
    tellNewest(known.chart);
    return;
  }
  forget(element);
  element.replaceChildren();
  const chart = new uPlot(lineOptions(element, told), data, element);
  if (told.left_out) element.append(Object.assign(document.createElement("p"), { className: "note", textContent: `${told.left_out} smaller ones are left out.` }));
  drawn.set(element, { told, labels, chart, colour: paint().colour("--accent"), destroy: () => chart.destroy() });
}

// Until a pointer asks for another time, the legend tells the newest values.
function tellNewest(chart) {
  const newest = Math.max(...chart.data.slice(1).map((values) => values.findLastIndex((value) => value != null)));
  if (chart.cursor.idx == null && newest >= 0) chart.setLegend({ idx: newest });
}

function lineOptions(element, told) {
  const { colour, axis } = paint();
  const unit = element.dataset.unit;
  const span = told.times_s.at(-1) - told.times_s[0];
  const lines = told.lines.map((line, i) => ({
    label: line.label.trim() || document.getElementById(`panel-${element.dataset.panel}`).textContent,
    stroke: colour(`--line-${(i % COLOURS) + 1}`), width: 1.5, dash: i >= COLOURS ? [4, 3] : undefined,
    points: { show: false }, spanGaps: false, value: (_, value) => write(value, unit),
  }));
  return {
    width: element.clientWidth, height: HEIGHT, cursor: { y: false, drag: { x: false, y: false }, sync: { key: "board" } },
    legend: { show: true, live: true }, hooks: { ready: [tellNewest], setCursor: [tellNewest] },
    scales: { x: { time: false }, y: { range: (_, low, high) => (low > NARROW * high ? [low - (high - low) * 0.1 - 1e-9, high + (high - low) * 0.1 + 1e-9] : [Math.min(low ?? 0, 0), (high || 1) * 1.08]) } },
    axes: [
      { ...axis, size: 28, space: 80, incrs: [60, 120, 300, 600, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400], grid: { show: false }, values: (_, at) => at.map((x) => clock(x, span)) },
      { ...axis, size: widthOf, space: 34, values: (_, at) => at.map((y) => write(y, unit)) },
    ],
    series: [{ label: "UTC", value: (_, x) => (x == null ? "" : clock(x, span)) }, ...lines],
  };
}

if (board) start();
