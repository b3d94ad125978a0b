// Sends the prompt through the explorer to the gateway, and writes the answer as it streams.
const field = (id) => document.getElementById(id);

export function startPlayground() {
  const form = field("playground");
  if (!form) return;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  field("key").addEventListener("change", listModels);
  listModels();
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
  const stop = field("stop");
  stop.onclick = () => control.abort();
  busy(true);
  try {
    await receive(await send(control.signal));
  } catch (error) {
    if (error.name !== "AbortError") complain(error.message);
  }
  busy(false);
}

function busy(yes) {
  field("ask").disabled = yes;
  field("stop").hidden = !yes;
  if (!yes) return;
  field("playground-problem").hidden = true;
  field("usage").textContent = "";
  field("answer").textContent = "";
}

function complain(message) {
  field("playground-problem").textContent = message;
  field("playground-problem").hidden = false;
}

async function send(signal) {
  const response = await fetch("/playground/completions", {
    method: "POST",
    signal,
    headers: { "content-type": "application/json", ...authorization() },
    body: JSON.stringify({
      model: field("model").value,
      prompt: field("prompt").value,
      max_tokens: Number(field("tokens").value),
    }),
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => null);
  throw new Error(problem?.error?.message ?? `The gateway answered ${response.status}.`);
}

async function receive(response) {
  const answer = field("answer");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  answer.hidden = false;
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) show(line, answer);
  }
}

function show(line, answer) {
  const data = line.startsWith("data:") ? line.slice(5).trim() : "";
  if (!data || data === "[DONE]") return;
  const piece = JSON.parse(data);
  if (piece.error) throw new Error(piece.error.message);
  const choice = piece.choices?.[0];
  answer.append(choice?.text ?? choice?.delta?.content ?? "");
  if (piece.usage) field("usage").textContent = describe(piece.usage);
}

function describe({ total_tokens, cost_rao, server_uids }) {
  const cost = (Number(cost_rao) / 1e9).toFixed(9).replace(/0{1,6}$/, "");
  const who = server_uids?.length ? `answered by ${server_uids.length > 1 ? "Servers" : "Server"} ${server_uids.join(", ")}` : "";
  return [`${total_tokens} tokens in all`, `${cost} TAO`, who].filter(Boolean).join(" · ");
}
