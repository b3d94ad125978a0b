// The whole metagraph in one table: of thousands of rows only those in sight exist, so that it
// scrolls and sorts without a stall. Without this script the table comes in pages.
import {
  Virtualizer, elementScroll, observeElementOffset, observeElementRect,
} from "/static/vendor/virtual-core/index.js";
import { paint } from "/static/charts.js";

// The library asks a bundler which build this is.
globalThis.process ??= { env: { NODE_ENV: "production" } };

const ROW_HEIGHT = 38;
const OVERSCAN = 8;
const RISING = new Set(["uid", "name", "role"]);
const SPARK = { width: 96, height: 26 };
const scroller = document.getElementById("neurons-scroll");
const table = scroller?.querySelector("table");
const body = table?.tBodies[0];
const rows = new Map();
const spare = [];
let neurons = [], largest = 1, order = readOrder(), virtual, spacers;

const digits = (value, count) =>
  value.toLocaleString("en", { minimumFractionDigits: count, maximumFractionDigits: count });
const share = (value) => (value ? value.toFixed(4) : "–");
const amount = (value, count) => (value && value < 0.5 * 10 ** -count ? `< ${10 ** -count}` : digits(value, count));
const short = (text) => `${text.slice(0, 8)}…${text.slice(-4)}`;

function readOrder() {
  const key = new URLSearchParams(location.search).get("sort") ?? "emission";
  return { key, rising: RISING.has(key) };
}

async function start() {
  if (!(await load())) return;
  document.getElementById("neurons-pager")?.remove();
  spacers = [0, 1].map(() => Object.assign(document.createElement("tr"), { className: "spacer", ariaHidden: "true" }));
  body.replaceChildren(...spacers);
  scroller.classList.add("whole");
  table.ariaRowCount = neurons.length + 1;
  virtual = new Virtualizer({
    count: neurons.length, estimateSize: () => ROW_HEIGHT, overscan: OVERSCAN,
    getScrollElement: () => scroller, observeElementRect, observeElementOffset, scrollToFn: elementScroll,
    initialRect: { width: scroller.clientWidth, height: scroller.clientHeight }, onChange: show,
  });
  virtual._didMount();
  virtual._willUpdate();
  for (const head of table.tHead.rows[0].cells) head.querySelector("a")?.addEventListener("click", choose);
  addEventListener("news-step", update);
  addEventListener("repaint", repaint);
  sort();
}

async function load() {
  const response = await fetch("/data/neurons");
  if (!response.ok) return false;
  const { height, columns, rows: told } = await response.json();
  neurons = told.map((values) => Object.fromEntries(columns.map((name, i) => [name, values[i]])));
  largest = neurons.reduce((most, neuron) => Math.max(most, neuron.emission), 0) || 1;
  document.getElementById("neurons-height").textContent = height.toLocaleString("en");
  return neurons.length > 0;
}

async function update() {
  if (document.hidden || !(await load())) return;
  virtual.setOptions({ ...virtual.options, count: neurons.length });
  table.ariaRowCount = neurons.length + 1;
  sort();
}

function choose(event) {
  event.preventDefault();
  const key = new URL(event.currentTarget.href).searchParams.get("sort");
  order = { key, rising: key === order.key ? !order.rising : RISING.has(key) };
  history.replaceState(null, "", `/neurons?sort=${key}`);
  scroller.scrollTop = 0;
  sort();
}

function sort() {
  const { key, rising } = order;
  const collator = new Intl.Collator("en");
  const compare = typeof neurons[0][key] === "string"
    ? (a, b) => collator.compare(a[key], b[key])
    : (a, b) => a[key] - b[key];
  neurons.sort((a, b) => (rising ? compare(a, b) : compare(b, a)) || a.uid - b.uid);
  for (const head of table.tHead.rows[0].cells) {
    const own = head.querySelector("a")?.search === `?sort=${key}`;
    if (own) head.ariaSort = rising ? "ascending" : "descending";
    else head.removeAttribute("aria-sort");
  }
  for (const row of rows.values()) row.neuron = null;
  show();
}

function show() {
  const items = virtual.getVirtualItems();
  const seen = new Set(items.map((item) => item.index));
  for (const [index, row] of rows) {
    if (seen.has(index)) continue;
    row.element.remove();
    rows.delete(index);
    spare.push(row);
  }
  spacers[0].style.height = `${items[0]?.start ?? 0}px`;
  spacers[1].style.height = `${virtual.getTotalSize() - (items.at(-1)?.end ?? 0)}px`;
  let before = spacers[0];
  for (const { index } of items) {
    const row = rows.get(index) ?? spare.pop() ?? createRow();
    rows.set(index, row);
    if (before.nextSibling !== row.element) before.after(row.element);
    before = row.element;
    fill(row, index);
  }
}

function createRow() {
  const element = document.createElement("tr");
  const kinds = ["number c-uid", "text c-name", "text c-role", "number c-stake", "number c-trust",
    "number c-consensus", "number c-incentive", "number c-dividends", "number c-emission", "c-past"];
  const cells = kinds.map((kind, i) => Object.assign(document.createElement(i === 1 ? "th" : "td"), { className: kind }));
  cells[1].scope = "row";
  cells[1].innerHTML = '<a><bdi></bdi></a> <code class="hash"></code>';
  cells[2].innerHTML = '<span class="role"></span> <small></small>';
  cells[8].innerHTML = '<svg class="bar" aria-hidden="true"><rect class="track" width="100%" height="100%"></rect><rect class="fill" height="100%"></rect></svg> <span></span>';
  element.append(...cells);
  return { element, cells, neuron: null, chart: createSpark(cells[9]) };
}

function createSpark(cell) {
  const { colour } = paint();
  return new uPlot({
    ...SPARK, legend: { show: false }, cursor: { show: false }, axes: [{ show: false }, { show: false }], padding: [2, 2, 2, 2],
    scales: { x: { time: false }, y: { range: [0, 100] } },
    series: [{}, { stroke: colour("--accent"), fill: colour("--wash"), width: 1.25, points: { show: false } }],
  }, [[0], [0]], cell);
}

function fill(row, index) {
  const neuron = neurons[index];
  row.element.ariaRowIndex = index + 2;
  if (row.neuron === neuron) return;
  row.neuron = neuron;
  const [uid, name, role, stake, trust, consensus, incentive, dividends, emission] = row.cells;
  row.element.classList.toggle("inactive", !neuron.active);
  uid.textContent = neuron.uid;
  name.firstChild.href = `/neurons/${neuron.uid}`;
  name.firstChild.firstChild.textContent = neuron.name || "without a name";
  name.lastChild.textContent = short(neuron.hotkey);
  name.lastChild.title = neuron.hotkey;
  role.firstChild.textContent = neuron.role;
  role.firstChild.className = `role ${neuron.role.toLowerCase()}`;
  role.lastChild.textContent = neuron.active ? "" : "silent";
  stake.textContent = amount(neuron.stake, 3);
  trust.textContent = share(neuron.trust);
  consensus.textContent = share(neuron.consensus);
  incentive.textContent = share(neuron.incentive);
  dividends.textContent = share(neuron.dividends);
  emission.firstChild.lastChild.setAttribute("width", `${(100 * neuron.emission) / largest}%`);
  emission.lastChild.textContent = amount(neuron.emission, 4);
  row.chart.setData([neuron.spark.map((_, i) => i), neuron.spark]);
}

function repaint() {
  for (const row of [...rows.values(), ...spare]) {
    row.chart.destroy();
    row.chart = createSpark(row.cells[9]);
    row.neuron = null;
  }
  show();
}

if (scroller) start();
