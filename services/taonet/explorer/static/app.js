// Keeps a server-rendered page fresh: news arrive by EventSource, the page is fetched again and
// morphed in place, so that focus, scroll and charts stay.
import { drawCharts, redrawCharts, refreshCharts } from "/static/charts.js";
import { redrawUsage, startAccount } from "/static/account.js";
import { startPlayground } from "/static/playground.js";

const REFRESH_PAUSE_MS = 700;
const TICK_MS = 200;
const main = document.getElementById("content");
const wanted = new Set(main.dataset.live.split(" ").filter(Boolean));
let clockAheadMs = Date.now() - Number(main.dataset.serverMs);
let refreshing = false;
let again = false;

async function refresh() {
  if (document.hidden || refreshing) {
    again = true;
    return;
  }
  refreshing = true;
  again = false;
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("content");
    clockAheadMs = Date.now() - Number(fresh.dataset.serverMs);
    Idiomorph.morph(main, fresh.innerHTML, {
      morphStyle: "innerHTML",
      callbacks: { beforeNodeMorphed: (old) => !old.dataset || !("keep" in old.dataset) },
    });
    tick();
    labelCards();
    await drawCharts();
  } catch {
    again = true;
  }
  await new Promise((resolve) => setTimeout(resolve, REFRESH_PAUSE_MS));
  refreshing = false;
  if (again && !document.hidden) refresh();
}

function tick() {
  for (const element of document.querySelectorAll(".since")) {
    const seconds = Math.max(0, (Date.now() - clockAheadMs - Number(element.dataset.timeMs)) / 1000);
    element.textContent = describe(seconds);
  }
}

function describe(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h`;
}

// On a phone a table of many columns becomes a list of cards; each cell says what it is.
function labelCards() {
  for (const table of document.querySelectorAll("table.cards")) {
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    for (const row of table.tBodies[0].rows) {
      for (const [i, cell] of [...row.cells].entries()) if (cell.colSpan === 1) cell.dataset.label = names[i];
    }
  }
}

function listen() {
  const offline = document.getElementById("offline");
  const source = new EventSource("/stream");
  let connectedBefore = false;
  source.addEventListener("hello", () => {
    offline.hidden = true;
    // After a gap both the page and its charts may have missed something.
    if (connectedBefore) {
      refresh();
      refreshCharts("step");
      refreshCharts("market");
    }
    connectedBefore = true;
  });
  source.addEventListener("error", () => {
    offline.hidden = false;
  });
  for (const name of ["block", "step", "market", "health"]) {
    source.addEventListener(name, () => {
      if (wanted.has(name)) refresh();
      refreshCharts(name);
      dispatchEvent(new Event(`news-${name}`));
    });
  }
  addEventListener("pagehide", () => source.close());
}

function repaint() {
  redrawCharts();
  redrawUsage();
  dispatchEvent(new Event("repaint"));
}

function startTheme() {
  document.getElementById("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
      (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    const theme = dark ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
    repaint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

startTheme();
// On a phone the section one is in may lie beside the screen.
document.querySelector(".top [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
startPlayground();
startAccount();
setInterval(tick, TICK_MS);
tick();
labelCards();
new MutationObserver(labelCards).observe(main, { childList: true, subtree: true });
drawCharts();
if (wanted.size || document.querySelector("[data-chart], [data-hears]")) listen();
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && again) refresh();
});
