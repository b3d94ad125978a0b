// Candles and volume by Lightweight Charts, in the page's own colours.
import {
  CandlestickSeries, ColorType, createChart, HistogramSeries,
} from "/static/vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";

const HEIGHT = 340;
const PRICE = { type: "price", precision: 6, minMove: 0.000001 };
let chart, candles, volume, interval = "1m", fitted = false;

export function startCandles(element) {
  // Its logo brings a style of its own, which this site's rules forbid; the page names it in words.
  chart = createChart(element, {
    height: HEIGHT, autoSize: true, layout: { attributionLogo: false },
    timeScale: { timeVisible: true, borderVisible: false }, rightPriceScale: { borderVisible: false },
  });
  candles = chart.addSeries(CandlestickSeries, { priceFormat: PRICE });
  volume = chart.addSeries(HistogramSeries, { priceFormat: { type: "volume" }, priceScaleId: "", lastValueVisible: false, priceLineVisible: false });
  volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
  paintCandles();
  for (const button of document.querySelectorAll("[data-interval]")) {
    button.addEventListener("click", () => {
      for (const other of document.querySelectorAll("[data-interval]")) other.ariaPressed = other === button;
      interval = button.dataset.interval;
      fitted = false;
      refreshCandles();
    });
  }
}

export function paintCandles() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const [up, down] = [colour("--accent"), colour("--wrong")];
  chart.applyOptions({
    layout: { background: { type: ColorType.Solid, color: "transparent" }, textColor: colour("--quiet"), fontFamily: "Inter, system-ui, sans-serif" },
    grid: { vertLines: { color: "transparent" }, horzLines: { color: colour("--line") } },
  });
  candles.applyOptions({ upColor: up, wickUpColor: up, downColor: down, wickDownColor: down, borderVisible: false });
  volume.applyOptions({ color: colour("--wash") });
}

export async function refreshCandles() {
  const response = await fetch(`/trade/candles?interval=${interval}`);
  if (!response.ok) return;
  const rows = await response.json();
  document.getElementById("no-candles").hidden = rows.length > 0;
  candles.setData(rows);
  volume.setData(rows.map(({ time, volume: value }) => ({ time, value })));
  if (!fitted && rows.length) {
    fitted = true;
    chart.timeScale().setVisibleLogicalRange({ from: Math.max(rows.length - 120, -20), to: rows.length + 3 });
  }
}
