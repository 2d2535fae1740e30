// The prompt, the answer token by token, and what was asked for it.

import { events } from "./api.js";
import { byId, element, percent, shown } from "./dom.js";

const rivalsTold = 8;
let running = null;

/** What stands on the page: the request, and its tokens. */
export const answer = { request: null, tokens: [] };

let listener = () => {};
/** Is told of a token that is chosen. */
export function onChoose(action) { listener = action; }

/** What the form asks for. */
function asked() {
  const text = byId("prompt").value || byId("prompt").placeholder;
  const mode = new FormData(byId("ask")).get("mode");
  return { mode, text, source: source(mode, text) };
}

/** A text as the server is asked for it. */
export function source(mode, text) {
  return mode === "chat" ? { messages: [{ role: "user", content: text }] } : { prompt: text };
}

export async function write() {
  running?.abort();
  const control = new AbortController();
  running = control;
  const request = asked();
  const path = request.mode === "chat" ? "/v1/chat/completions" : "/v1/completions";
  const scores = request.mode === "chat" ? { logprobs: true, top_logprobs: rivalsTold } : { logprobs: rivalsTold };
  const body = {
    ...request.source, ...scores, stream: true,
    max_tokens: Number(byId("tokens").value) || 32, temperature: Number(byId("temperature").value) || 0,
  };
  byId("stop").hidden = false;
  byId("status").textContent = "writing…";
  byId("status").classList.remove("bad");
  // The old answer stays until there is a new one.
  byId("answer").classList.add("stale");
  let isFirst = true;
  const begin = () => {
    if (!isFirst) return;
    isFirst = false;
    [answer.request, answer.tokens] = [request, []];
    byId("answer").classList.remove("stale");
    byId("answer").replaceChildren(element("span", { class: "asked" }, request.mode === "chat" ? "" : request.text));
  };
  const started = performance.now();
  try {
    let reason = "";
    for await (const event of events("POST", path, body, control.signal)) {
      const choice = event.choices?.[0];
      if (!choice) continue;
      for (const token of tokens(choice)) { begin(); add(token); }
      reason = choice.finish_reason ?? reason;
    }
    begin();
    const seconds = (performance.now() - started) / 1000;
    const end = reason === "length" ? "" : "; the model ended it";
    byId("status").textContent = `${answer.tokens.length} tokens in ${seconds.toFixed(1)} s${end}`;
  } catch (error) {
    if (control.signal.aborted && running !== control) return;
    byId("answer").classList.remove("stale");
    byId("status").textContent = control.signal.aborted ? "stopped" : error.message;
    byId("status").classList.toggle("bad", !control.signal.aborted);
  } finally {
    if (running === control) {
      running = null;
      byId("stop").hidden = true;
    }
  }
}

export function stop() { running?.abort(); }

/** The tokens of a piece of a stream, in one form: text, bytes, probability, rivals. */
function tokens(choice) {
  const logs = choice.logprobs;
  if (!logs) return [];
  const rival = (text, logarithm) => ({ text: readable(text), probability: Math.exp(logarithm) });
  if (logs.content) {
    return logs.content.map((entry) => ({
      ...rival(entry.token, entry.logprob), bytes: entry.bytes,
      rivals: entry.top_logprobs.map((one) => rival(one.token, one.logprob)),
    }));
  }
  return logs.tokens.map((token, index) => ({
    ...rival(token, logs.token_logprobs[index]), bytes: bytes(token),
    rivals: Object.entries(logs.top_logprobs[index]).map(([text, logarithm]) => rival(text, logarithm))
      .sort((a, b) => b.probability - a.probability),
  }));
}

/** The bytes of a token that is told as `bytes:\xe2\x82`, or of its text. */
function bytes(token) {
  if (!token.startsWith("bytes:")) return [...new TextEncoder().encode(token)];
  return [...token.matchAll(/\\x([0-9a-f]{2})/g)].map((match) => parseInt(match[1], 16));
}

function readable(token) {
  return token.startsWith("bytes:") ? `‹${bytes(token).map((byte) => byte.toString(16)).join(" ")}›` : token;
}

/** The text before a token of the answer; nil where it would end within a character. */
export function textBefore(index) {
  const all = answer.tokens.slice(0, index).flatMap((token) => token.bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(all));
  } catch {
    return null;
  }
}

function add(token) {
  const index = answer.tokens.push(token) - 1;
  const visible = token.text.includes("\n")
    ? [element("span", { class: "mark", "aria-hidden": "true" }, "↵"), token.text] : [token.text];
  byId("answer").append(element("span", {
    class: "piece", role: "button", tabIndex: index === 0 ? 0 : -1, "--p": token.probability,
    "aria-pressed": "false", "aria-label": `${shown(token.text)}, ${percent(token.probability)}`,
    title: percent(token.probability), onclick: () => choose(index),
  }, ...visible));
}

function pieces() { return [...byId("answer").querySelectorAll(".piece")]; }

export function choose(index) {
  pieces().forEach((piece, place) => {
    piece.setAttribute("aria-pressed", String(place === index));
    piece.tabIndex = place === index ? 0 : -1;
  });
  listener(index);
}

/** Arrows go from token to token, Enter chooses. */
export function onKey(event) {
  const all = pieces();
  const place = all.indexOf(document.activeElement);
  if (place < 0) return;
  const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -place, End: all.length - 1 - place };
  if (event.key in steps) {
    const next = all[Math.min(all.length - 1, Math.max(0, place + steps[event.key]))];
    all[place].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  } else if (event.key === "Enter" || event.key === " ") {
    choose(place);
    event.preventDefault();
  }
}
