// Sends a text or a conversation through the explorer to the gateway, and writes the answer as it
// streams. A conversation lives in this page only.
const field = (id) => document.getElementById(id);
const WORDS = { continue: ["Text to continue", "Continue it"], chat: ["Your message", "Send"] };
let mode = "continue";
let messages = [];

export function startPlayground() {
  const form = field("playground");
  if (!form) return;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  for (const button of form.querySelectorAll("[data-mode]")) button.addEventListener("click", () => choose(button.dataset.mode));
  field("key").addEventListener("change", listModels);
  listModels();
}

function choose(chosen) {
  mode = chosen;
  messages = [];
  for (const button of document.querySelectorAll("[data-mode]")) button.ariaPressed = button.dataset.mode === mode;
  [field("prompt-name").textContent, field("ask").textContent] = WORDS[mode];
  field("turns").replaceChildren();
  field("turns").classList.toggle("chat", mode === "chat");
}

async function listModels() {
  const response = await fetch("/playground/models", { headers: authorization() });
  if (!response.ok) return;
  const { data } = await response.json();
  const options = data.map(({ id }) => Object.assign(document.createElement("option"), { value: id }));
  field("models").replaceChildren(...options);
  if (!field("model").value && data.length) field("model").value = data[0].id;
}

function authorization() {
  const key = field("key").value.trim();
  return key ? { authorization: `Bearer ${key}` } : {};
}

async function ask() {
  const control = new AbortController();
  field("stop").onclick = () => control.abort();
  busy(true);
  try {
    const text = field("prompt").value;
    const response = await send(text, control.signal);
    const turn = createTurn(text);
    await receive(response, turn);
    if (mode === "chat") remember(text, turn.answer.textContent);
  } catch (error) {
    if (error.name !== "AbortError") complain(error.message);
  }
  busy(false);
}

function busy(yes) {
  field("ask").disabled = yes;
  field("stop").hidden = !yes;
  for (const button of document.querySelectorAll("[data-mode]")) button.disabled = yes;
  if (yes) field("playground-problem").hidden = true;
}

function complain(message) {
  field("playground-problem").textContent = message;
  field("playground-problem").hidden = false;
}

async function send(text, signal) {
  const asked = mode === "chat" ? { messages: [...messages, { role: "user", content: text }] } : { prompt: text };
  const response = await fetch("/playground/completions", {
    method: "POST",
    signal,
    headers: { "content-type": "application/json", ...authorization() },
    body: JSON.stringify({ model: field("model").value, max_tokens: Number(field("tokens").value), ...asked }),
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => null);
  throw new Error(problem?.error?.message ?? `The gateway answered ${response.status}.`);
}

// What was asked, what came, and what it cost; a text goes on where it ends, a chat grows.
function createTurn(text) {
  const make = (tag, className, content = "") => Object.assign(document.createElement(tag), { className, textContent: content });
  const turn = make("div", "turn");
  const asked = make("span", "asked", text);
  const answer = make("output", "");
  const said = make("div", "answer");
  const note = make("p", "note");
  said.append(...(mode === "chat" ? [answer] : [asked, answer]));
  turn.append(...(mode === "chat" ? [asked] : []), said, note);
  if (mode === "chat") field("turns").append(turn);
  else field("turns").replaceChildren(turn);
  return { answer, note };
}

function remember(text, answer) {
  messages.push({ role: "user", content: text }, { role: "assistant", content: answer });
  field("prompt").value = "";
  field("prompt").focus();
}

async function receive(response, turn) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) show(line, turn);
  }
}

function show(line, { answer, note }) {
  const data = line.startsWith("data:") ? line.slice(5).trim() : "";
  if (!data || data === "[DONE]") return;
  const piece = JSON.parse(data);
  if (piece.error) throw new Error(piece.error.message);
  const choice = piece.choices?.[0];
  answer.append(choice?.text ?? choice?.delta?.content ?? "");
  if (piece.usage) note.replaceChildren(...describe(piece.usage));
}

function describe({ prompt_tokens, completion_tokens, cost_rao, server_uids }) {
  const cost = (Number(cost_rao) / 1e9).toFixed(9).replace(/0{1,6}$/, "");
  const said = [`${prompt_tokens} tokens in, ${completion_tokens} out · ${cost} TAO`];
  const links = (server_uids ?? []).map((uid) =>
    Object.assign(document.createElement("a"), { href: `/neurons/${uid}`, textContent: `uid ${uid}` }));
  if (links.length) said.push(` · answered by ${links.length > 1 ? "Servers" : "Server"} `);
  return [...said, ...links.flatMap((link, i) => (i ? [", ", link] : [link]))];
}
