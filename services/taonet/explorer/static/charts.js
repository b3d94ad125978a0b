// Every chart of the pages, drawn by uPlot: what differs is its data, its shape and its words.
const RAO_PER_TAO = 1e9;
const charts = new Map();

const tao = (value, digits = 3) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const whole = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });
const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 16);
const BAR_ROOM = 7;
const AXIS_LEAST = 30;
const LETTER_WIDTH = 7;
const COMPACT_FROM = 100_000;
const compact = (value) =>
  value.toLocaleString("en", {
    notation: value < COMPACT_FROM ? "standard" : "compact",
    maximumSignificantDigits: 5,
  });

async function readSteps() {
  const { steps } = await (await fetch("/data/emission")).json();
  return steps;
}

async function readCloses() {
  const { closes } = await (await fetch("/data/price")).json();
  return [closes.map((close) => close.time_ms / 1000), closes.map((close) => close.price_btc)];
}

async function readIssued() {
  const steps = await readSteps();
  return [steps.map((s) => s.height), steps.map((s) => Number(s.issuance_rao) / RAO_PER_TAO)];
}

async function readPaid() {
  const steps = await readSteps();
  return [steps.map((s) => s.height), steps.map((s) => Number(s.paid_rao) / RAO_PER_TAO)];
}

async function readNeuron(element) {
  const { steps } = await (await fetch(`/data/neurons/${element.dataset.uid}/payouts`)).json();
  return [steps.map((s) => s.height), steps.map((s) => Number(s.paid_rao) / RAO_PER_TAO)];
}

async function readSchedule() {
  const { heights, issued_tao } = await (await fetch("/data/schedule")).json();
  return [heights, issued_tao.map((tao) => tao / 1e6)];
}

const MINUTES = [1, 2, 5, 10, 15, 30, 60].map((minutes) => minutes * 60);

const KINDS = {
  paid: {
    news: "step", read: readPaid, shape: "bars", axisX: whole, axisY: compact, zero: true, height: 160,
    readout: "emission-readout", say: (x, y) => `block ${whole(x)} · ${tao(y)} TAO paid`,
  },
  issued: {
    news: "step", read: readIssued, shape: "area", axisX: whole, axisY: compact, height: 148,
    readout: "emission-readout", say: (x, y) => `block ${whole(x)} · ${tao(y)} TAO issued`,
  },
  price: {
    news: "market", read: readCloses, shape: "line", axisX: clock, stepsX: MINUTES, axisY: (v) => v.toFixed(6), height: 220,
    readout: "price-readout", say: (x, y) => `${clock(x)} UTC · ${y.toFixed(6)} BTC per TAO`,
  },
  neuron: {
    news: "step", read: readNeuron, shape: "bars", axisX: whole, axisY: compact, zero: true, height: 160,
    readout: "past-readout", say: (x, y) => `block ${whole(x)} · ${tao(y, 4)} TAO`,
  },
  schedule: {
    news: "none", read: readSchedule, shape: "area", axisX: compact, axisY: compact, zero: true, height: 220,
    readout: "schedule-readout", say: (x, y) => `block ${whole(x)} · ${tao(y)} million TAO`,
  },
  spark: { news: "market", read: readCloses, shape: "line", height: 56, bare: true },
};

export async function drawCharts() {
  for (const [element, chart] of charts) {
    if (!element.isConnected) {
      chart.destroy();
      charts.delete(element);
    }
  }
  const fresh = [...document.querySelectorAll("[data-chart]")].filter((e) => !charts.has(e));
  await Promise.all(fresh.map(draw));
}

export async function refreshCharts(news) {
  for (const [element, chart] of charts) {
    const kind = KINDS[element.dataset.chart];
    if (kind.news === news) chart.setData(await read(element, kind));
  }
}

export function redrawCharts() {
  for (const [element, chart] of charts) {
    chart.destroy();
    charts.delete(element);
  }
  drawCharts();
}

async function draw(element) {
  const kind = KINDS[element.dataset.chart];
  charts.set(element, { destroy() {}, setData() {} });
  const data = await read(element, kind);
  const chart = new uPlot(options(element, kind), data, element);
  charts.set(element, chart);
  new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: kind.height }))
    .observe(element);
}

// The page's colours in force, and an axis in them.
export function paint() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--quiet"), font: "12px Inter, system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false },
  };
  return { colour, axis };
}

// Of bars the newest that find room beside each other.
async function read(element, kind) {
  const data = await kind.read(element);
  if (kind.shape !== "bars") return data;
  const most = Math.max(Math.floor(element.clientWidth / BAR_ROOM), 2);
  return data.map((values) => values.slice(-most));
}

// As wide as the longest of its numbers; asked again with the widths it leads to, it stays.
export function widthOf(plot, values, index, cycle) {
  if (cycle > 1) return plot.axes[index]._size;
  const longest = Math.max(0, ...(values ?? []).map((value) => value.length));
  return Math.max(AXIS_LEAST, 14 + LETTER_WIDTH * longest);
}

function options(element, kind) {
  const { colour, axis } = paint();
  return {
    width: element.clientWidth,
    height: kind.height,
    legend: { show: false },
    cursor: { show: !kind.bare, y: false, sync: { key: kind.news }, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: false, range: kind.zero ? besides : undefined }, y: { range: kind.zero ? fromZero : around } },
    axes: [
      { ...axis, show: !kind.bare, incrs: kind.stepsX, size: 28, space: 90, grid: { show: false }, values: (_, at) => at.map((v) => (Number.isInteger(v) ? kind.axisX(v) : "")) },
      { ...axis, show: !kind.bare, size: widthOf, space: 30, values: (_, at) => at.map(kind.axisY) },
    ],
    series: [{}, series(kind, colour)],
    hooks: kind.readout ? { setCursor: [(chart) => tell(chart, kind)] } : {},
  };
}

function series(kind, colour) {
  const accent = colour("--accent");
  const common = { stroke: accent, width: 1.75, points: { show: false } };
  if (kind.shape === "bars") {
    return { ...common, width: 0, fill: accent, paths: uPlot.paths.bars({ size: [0.66, 24], align: 0 }) };
  }
  return kind.shape === "area" ? { ...common, fill: colour("--wash") } : common;
}

const fromZero = (_, low, high) => [0, (high || 1) * 1.1];
// Room for half a bar at both ends.
const besides = (chart, low, high) => {
  const half = (high - low) / Math.max(2 * (chart.data[0].length - 1), 2) || 1;
  return [low - half, high + half];
};
const around = (_, low, high) => {
  const room = (high - low || Math.abs(high) * 0.002 || 1) * 0.1;
  return [low - room, high + room];
};

function tell(chart, kind) {
  const index = chart.cursor.idx;
  const output = document.getElementById(kind.readout);
  if (!output || chart.cursor.event == null) return;
  output.textContent = index == null ? "" : kind.say(chart.data[0][index], chart.data[1][index]);
}
