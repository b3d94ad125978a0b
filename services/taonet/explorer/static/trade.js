// The trading page: a key, orders, deposits and withdrawals. Prices and the book come by the server.
import { paintCandles, refreshCandles, startCandles } from "/static/candles.js";
import { ask, connect, connected, forget, read } from "/static/signing.js";

const POLL_MS = 5000;
const field = (id) => document.getElementById(id);
const STATES = { 0: "awaits confirmation", 1: "taken back", 2: "waits", 3: "rejected", 4: "on its way", 5: "failed", 6: "done" };
// By Binance's numbers; one that waits shows its confirmations.
const DEPOSITS = { 1: "credited", 2: "taken back", 6: "credited, locked" };
const KINDS = { LIMIT: "limit", MARKET: "market", LIMIT_MAKER: "post only", STOP_LOSS_LIMIT: "stop limit" };
const ENDS = { NEW: "is in the book", EXPIRED: "is over: the book had nothing for it", EXPIRED_IN_MATCH: "is over: it met one of your own" };
let side = "BUY", coin = "BTC", coins = {};

function start() {
  startCandles(field("candles"));
  refreshCandles();
  press("side", (value) => { side = value; describeOrder(); });
  press("deposit", (value) => { coin = value; attempt("account-problem", showDeposit); });
  for (const id of ["kind", "price", "quantity", "stop"]) field(id).addEventListener("input", describeOrder);
  for (const id of ["withdraw-coin", "withdraw-amount"]) field(id).addEventListener("input", describeWithdrawal);
  submit("sign-in", "account-problem", () => enter(field("api-key").value.trim(), field("api-secret").value.trim()));
  submit("open-account", "account-problem", openAccount);
  submit("order", "order-problem", placeOrder);
  submit("withdraw", "withdraw-problem", withdraw);
  field("leave").addEventListener("click", leave);
  setInterval(() => connected() && !document.hidden && attempt("account-problem", refreshAccount), POLL_MS);
  addEventListener("news-market", refreshCandles);
  addEventListener("repaint", paintCandles);
  describeOrder();
  leave();
}

function press(name, chosen) {
  const buttons = document.querySelectorAll(`[data-${name}]`);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.ariaPressed = other === button;
      chosen(button.dataset[name]);
    });
  }
}

function submit(form, problem, work) {
  field(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = field(form).querySelector("button:not([type=button])");
    button.disabled = true;
    await attempt(problem, work);
    button.disabled = false;
  });
}

async function attempt(problem, work) {
  try {
    await work();
    field(problem).hidden = true;
  } catch (error) {
    field(problem).textContent = error.message;
    field(problem).hidden = false;
  }
}

async function enter(key, secret) {
  await connect(key, secret);
  try {
    coins = Object.fromEntries((await ask("GET", "sapi/v1/capital/config/getall")).map((one) => [one.coin, one.networkList[0]]));
  } catch (error) {
    forget();
    throw error;
  }
  field("api-secret").value = "";
  show(true);
  describeWithdrawal();
  await Promise.all([refreshAccount(), showDeposit()]);
}

function leave() {
  forget();
  field("new-key").hidden = true;
  show(false);
}

function show(yes) {
  field("signed-out").hidden = yes;
  field("needs-key").hidden = yes;
  field("signed-in").hidden = field("leave").hidden = !yes;
  field("place").disabled = field("withdraw-send").disabled = !yes;
  field("deposit-empty").hidden = yes;
  field("deposit-address").hidden = !yes;
  if (!yes) for (const id of ["deposits", "withdrawals"]) field(id).replaceChildren();
}

async function openAccount() {
  const made = await read(await fetch("/trade/accounts", {
    method: "POST", body: JSON.stringify({ name: field("account-name").value }),
    headers: { "content-type": "application/json", accept: "application/json" },
  }));
  field("new-api-key").textContent = made.api_key;
  field("new-secret").textContent = made.secret;
  field("new-key").hidden = false;
  await enter(made.api_key, made.secret);
}

async function refreshAccount() {
  const [account, orders, fills, deposits, withdrawals] = await Promise.all([
    ask("GET", "api/v3/account"),
    ask("GET", "api/v3/openOrders", { symbol: "TAOBTC" }),
    ask("GET", "api/v3/myTrades", { symbol: "TAOBTC", limit: 10 }),
    ask("GET", "sapi/v1/capital/deposit/hisrec", { limit: 10 }),
    ask("GET", "sapi/v1/capital/withdraw/history", { limit: 10 }),
  ]);
  rows("balances", account.balances.map((one) => [one.asset, number(one.free), number(one.locked)]), "");
  rows("orders", orders.map((one) => [
    word(one.side), KINDS[one.type] ?? one.type.toLowerCase(), price(one.price), number(one.origQty), number(one.executedQty),
    button("Cancel", () => attempt("account-problem", () => cancel(one.orderId))),
  ]), "No order of yours is open.");
  rows("fills", fills.reverse().map((one) => [
    clock(one.time), word(one.isBuyer ? "BUY" : "SELL"), price(one.price), number(one.qty), Number(one.commission).toFixed(8),
  ]), "You have not traded yet.");
  rows("deposits", deposits.map((one) => [clock(one.insertTime), `${number(one.amount)} ${one.coin}`, DEPOSITS[one.status] || one.confirmTimes]), "Nothing was deposited yet.");
  rows("withdrawals", withdrawals.map((one) => [
    one.applyTime.slice(11), `${number(one.amount)} ${one.coin}`, one.info ?? STATES[one.status],
    one.status === 2 ? button("Take back", () => attempt("withdraw-problem", () => takeBack(one.id))) : "",
  ]), "Nothing was withdrawn yet.");
}

function rows(id, lines, empty) {
  const body = field(id);
  const width = body.closest("table").querySelectorAll("thead th").length || 3;
  body.replaceChildren(...(lines.length ? lines.map((cells) => line(cells)) : [emptyLine(empty, width)]));
}

function line(cells) {
  const row = document.createElement("tr");
  for (const content of cells) {
    const cell = row.insertCell();
    cell.append(content);
    cell.className = /^[\d.]/.test(cell.textContent) && !cell.textContent.includes(":") ? "number" : "text";
  }
  return row;
}

function emptyLine(text, width) {
  const row = document.createElement("tr");
  const cell = row.insertCell();
  cell.colSpan = width;
  cell.className = "empty";
  cell.textContent = text;
  return row;
}

const word = (given) => (given === "BUY" ? "buy" : "sell");
const clock = (ms) => new Date(ms).toISOString().slice(11, 19);
const price = (text) => Number(text).toFixed(6);
const number = (text) => text.replace(/(\.\d\d\d*?)0+$/, "$1");

function button(label, work) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: label });
  made.addEventListener("click", work);
  return made;
}

async function cancel(orderId) {
  await ask("DELETE", "api/v3/order", { symbol: "TAOBTC", orderId });
  await refreshAccount();
}

async function takeBack(id) {
  await ask("DELETE", "exchange/v1/withdrawals", { id });
  await refreshAccount();
}

function describeOrder() {
  const kind = field("kind").value;
  field("price-field").hidden = kind === "MARKET";
  field("stop-field").hidden = kind !== "STOP_LOSS_LIMIT";
  field("place").textContent = side === "BUY" ? "Buy" : "Sell";
  field("place").classList.toggle("sell", side === "SELL");
  const total = Number(field("price").value) * Number(field("quantity").value);
  field("total").textContent = kind === "MARKET" ? "At the best prices the book has, inside its price band."
    : total > 0 ? `${total.toFixed(8)} BTC in all, and a fee.` : "";
}

async function placeOrder() {
  const kind = field("kind").value;
  const order = { symbol: "TAOBTC", side, type: kind, quantity: field("quantity").value.trim() };
  if (kind !== "MARKET") order.price = field("price").value.trim();
  if (kind === "STOP_LOSS_LIMIT") order.stopPrice = field("stop").value.trim();
  if (kind === "LIMIT" || kind === "STOP_LOSS_LIMIT") order.timeInForce = "GTC";
  field("order-done").textContent = "";
  const placed = await ask("POST", "api/v3/order", { ...order, newOrderRespType: "RESULT" });
  const filled = Number(placed.executedQty);
  field("order-done").textContent = filled
    ? `Order ${placed.orderId}: ${number(placed.executedQty)} of ${number(placed.origQty)} TAO for ${number(placed.cummulativeQuoteQty)} BTC.`
    : `Order ${placed.orderId} ${ENDS[placed.status] ?? `is ${placed.status.toLowerCase()}`}.`;
  await refreshAccount();
}

async function showDeposit() {
  if (!connected()) return;
  const { address } = await ask("GET", "sapi/v1/capital/deposit/address", { coin });
  field("deposit-text").textContent = address;
  field("deposit-code").src = `/trade/qr?text=${encodeURIComponent(coin === "BTC" ? `bitcoin:${address}` : address)}`;
  const terms = coins[coin];
  field("deposit-note").textContent = ` Yours alone, for ${coin} only; credited after ${terms.minConfirm} blocks.`;
}

function describeWithdrawal() {
  const terms = coins[field("withdraw-coin").value];
  field("withdraw-note").textContent = terms ? `Fee ${number(terms.withdrawFee)}, at least ${number(terms.withdrawMin)}.` : "";
}

async function withdraw() {
  await ask("POST", "sapi/v1/capital/withdraw/apply", {
    coin: field("withdraw-coin").value, address: field("withdraw-address").value.trim(),
    amount: field("withdraw-amount").value.trim(), withdrawOrderId: crypto.randomUUID(),
  });
  field("withdraw-amount").value = "";
  await refreshAccount();
}

start();
