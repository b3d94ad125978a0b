// A consumer's account: signed in by an API key, which only this page ever holds.
import { paint, widthOf } from "/static/charts.js";

const RAO_PER_TAO = 1e9;
const DAYS = 7;
const HOURS_PER_DAY = 24;
const field = (id) => document.getElementById(id);
const tao = (rao, digits = 6) =>
  (Number(rao) / RAO_PER_TAO).toLocaleString("en", { maximumFractionDigits: digits });
const exact = (rao) => (Number(rao) / RAO_PER_TAO).toFixed(9);
const whole = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });
const clock = (text) => text.slice(5, 16).replace("T", " ");
let usage = [];
let chart = null;

export function startAccount() {
  // The trading page has a form of the same name.
  if (!field("account-key")) return;
  field("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    signIn();
  });
  field("copy-address").addEventListener("click", () => {
    navigator.clipboard.writeText(field("deposit-address").textContent);
  });
}

async function signIn() {
  field("account-problem").hidden = true;
  try {
    const parts = ["summary", "usage", "keys", "calls", "refunds"];
    const [summary, used, keys, calls, refunds] = await Promise.all(parts.map(read));
    usage = used;
    field("account-shown").hidden = false;
    showBalance(summary);
    showKeys(keys);
    showCalls(calls);
    showRefunds(refunds);
    redrawUsage();
  } catch (error) {
    field("account-shown").hidden = true;
    field("account-problem").textContent = error.message;
    field("account-problem").hidden = false;
  }
}

async function read(part) {
  const key = field("account-key").value.trim();
  const response = await fetch(`/account/data/${part}`, { headers: { authorization: `Bearer ${key}` } });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error?.message ?? `The gateway answered ${response.status}.`);
  return body;
}

function showBalance({ balance_rao, reserved_rao, deposit_address }) {
  const sum = (name) => usage.reduce((total, hour) => total + Number(hour[name]), 0);
  const spent = sum("cost_rao");
  field("balance").textContent = tao(balance_rao);
  field("reserved").textContent = Number(reserved_rao) ? `${tao(reserved_rao)} held by calls under way` : "all of it free";
  field("spent").textContent = tao(spent);
  const calls = sum("calls");
  field("spent-calls").textContent = `in ${whole(calls)} call${calls === 1 ? "" : "s"}`;
  field("tokens-used").textContent = whole(sum("prompt_tokens") + sum("completion_tokens"));
  field("tokens-split").textContent = `${whole(sum("prompt_tokens"))} in, ${whole(sum("completion_tokens"))} out`;
  field("lasts").textContent = describePace(Number(balance_rao), spent);
  field("deposit-address").textContent = deposit_address;
  field("deposit-code").src = `/account/qr?address=${deposit_address}`;
}

function describePace(balance, spent) {
  if (!spent) return "—";
  const first = new Date(usage[0].hour);
  const days = Math.min(Math.max((Date.now() - first) / 86_400_000, 1 / HOURS_PER_DAY), DAYS);
  const left = (balance / spent) * days;
  return left > 365 ? "> 1 year" : left >= 2 ? `${whole(left)} days` : `${whole(left * HOURS_PER_DAY)} hours`;
}

function fill(id, rows) {
  field(id).replaceChildren(
    ...rows.map((cells) => {
      const row = document.createElement("tr");
      row.append(
        ...cells.map(([text, kind]) => Object.assign(document.createElement("td"), { textContent: text, className: kind })),
      );
      return row;
    }),
  );
}

function showKeys(keys) {
  fill("key-rows", keys.map((key) => [
    [key.id, "text"], [key.label || "—", "text"], [key.scopes.join(", "), "text"],
    [tao(key.spent_rao), "number"], [key.cap_rao ? tao(key.cap_rao) : "none", "number"],
    [key.usable ? "usable" : key.revoked_at ? "revoked" : "expired", "text"],
  ]));
}

function showCalls(calls) {
  field("calls-none").hidden = calls.length > 0;
  fill("call-rows", calls.map((call) => [
    [clock(call.created_at), "text"], [call.model, "text minor"], [call.server_uid, "number"],
    [whole(call.prompt_tokens), "number minor"], [whole(call.completion_tokens), "number"],
    [exact(call.cost_rao), "number"], [exact(call.share_rao), "number minor"],
  ]));
}

function showRefunds(refunds) {
  field("refund-panel").hidden = !refunds.length;
  fill("refund-rows", refunds.map((refund) => [
    [clock(refund.created_at), "text"], [tao(refund.amount_rao), "number"],
    [refund.state, "text"], [refund.height ?? "—", "number"],
  ]));
}

export function redrawUsage() {
  chart?.destroy();
  chart = null;
  const element = field("usage-chart");
  if (!element || field("account-shown").hidden) return;
  field("usage-none").hidden = usage.length > 0;
  element.hidden = !usage.length;
  if (!usage.length) return;
  const hours = sumHours();
  chart = new uPlot(options(element, hours), [hours.map(([hour]) => hour), hours.map(([, cost]) => cost)], element);
  new ResizeObserver(() => chart?.setSize(size(element))).observe(element);
}

const size = (element) => ({ width: element.clientWidth, height: element.clientWidth > 500 ? 330 : 190 });

// Every hour from the first one used to now, also those in which nothing was.
function sumHours() {
  const sums = new Map();
  for (const { hour, cost_rao } of usage) {
    const at = Date.parse(hour) / 1000;
    sums.set(at, (sums.get(at) ?? 0) + Number(cost_rao) / RAO_PER_TAO);
  }
  const now = Math.floor(Date.now() / 3_600_000) * 3600;
  const first = Math.min(Math.min(...sums.keys()), now - 23 * 3600);
  const hours = [];
  for (let at = first; at <= now; at += 3600) hours.push([at, sums.get(at) ?? 0]);
  return hours;
}

function options(element, hours) {
  const { colour, axis } = paint();
  const say = (at) => new Date(at * 1000).toISOString().slice(5, 16).replace("T", " ");
  return {
    ...size(element), legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: false, range: [hours[0][0] - 1800, hours.at(-1)[0] + 1800] }, y: { range: (_, low, high) => [0, (high || 1) * 1.1] } },
    axes: [
      { ...axis, size: 28, space: 90, grid: { show: false }, incrs: [3600, 7200, 14_400, 21_600, 43_200, 86_400], values: (_, at) => at.map(say) },
      { ...axis, size: widthOf, space: 30, values: (_, at) => at.map((value) => value.toLocaleString("en", { maximumSignificantDigits: 3 })) },
    ],
    series: [{}, { width: 0, fill: colour("--accent"), points: { show: false }, paths: uPlot.paths.bars({ size: [0.66, 24], align: 0 }) }],
    hooks: { setCursor: [(plot) => {
      const index = plot.cursor.idx;
      field("usage-readout").textContent = index == null ? "" : `${say(hours[index][0])} UTC · ${hours[index][1].toLocaleString("en", { maximumFractionDigits: 9 })} TAO`;
    }] },
  };
}
