// An API key in this page: requests are signed here, and the explorer passes them on.
let apiKey = null;
let signingKey = null;
// What bots know by these words, people know by others.
const SENTENCES = {
  "Filter failure: PRICE_FILTER": "A price is a multiple of 0.000001 BTC.",
  "Filter failure: LOT_SIZE": "An amount is a multiple of 0.01 TAO, and at least that.",
  "Filter failure: NOTIONAL": "An order is worth at least 0.00001 BTC.",
  "Filter failure: PERCENT_PRICE_BY_SIDE": "This price is too far from the last ones; see the band in the market's rules.",
  "Filter failure: MAX_NUM_ORDERS": "So many orders of yours are open that one must be cancelled first.",
  "Account has insufficient balance for requested action.": "There is not enough of the coin free on this account.",
};
const encoder = new TextEncoder();

export const connected = () => signingKey !== null;

export async function connect(key, secret) {
  if (!crypto.subtle) {
    throw new Error("This browser signs only on pages from this machine or by https: open the page at 127.0.0.1, or put TLS before it.");
  }
  // Not extractable: from here on not even this page can read the secret.
  signingKey = await crypto.subtle.importKey(
    "raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"],
  );
  apiKey = key;
}

export function forget() {
  apiKey = signingKey = null;
}

export async function ask(method, path, parameters = {}) {
  const query = new URLSearchParams({ ...parameters, timestamp: Date.now(), recvWindow: 10000 });
  const digest = await crypto.subtle.sign("HMAC", signingKey, encoder.encode(query.toString()));
  const signature = [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
  return read(await fetch(`/trade/exchange/${path}?${query}&signature=${signature}`, {
    method, headers: { "X-MBX-APIKEY": apiKey, accept: "application/json" },
  }));
}

export async function read(response) {
  const answer = await response.json();
  if (response.ok) return answer;
  throw new Error(SENTENCES[answer.msg] ?? answer.msg ?? answer.error?.message ?? `The exchange answered ${response.status}.`);
}
