// A wrong token: its rivals, the repair, and what came of it.

import { ask } from "./api.js";
import * as cases from "./cases.js";
import { byId, element, percent, shown } from "./dom.js";
import * as jobs from "./jobs.js";
import { bound, evidence, sides } from "./outcome.js";
import { answer, textBefore } from "./writing.js";
import * as patches from "./patches.js";

let chosen = null;
let job = null;

/** Shows what could stand in the place of a token. */
export function show(index) {
  chosen = index;
  const token = answer.tokens[index];
  byId("token").hidden = false;
  byId("token-title").textContent = `Instead of “${shown(token.text)}”`;
  const others = token.rivals.filter((rival) => rival.text !== token.text);
  byId("rivals").replaceChildren(
    row(token, "now"), ...others.map((rival, place) => row(rival, place === 0 ? "checked" : "")));
  byId("wanted").value = "";
  byId("blamed").textContent = "";
  byId("token").scrollIntoView({ block: "nearest", behavior: "auto" });
}

function row(rival, state) {
  const control = state === "now"
    ? element("span", { class: "now", "aria-hidden": "true" }, "×")
    : element("input", { type: "radio", name: "rival", value: rival.text, checked: state === "checked" });
  return element(state === "now" ? "div" : "label", { class: `rival ${state === "now" ? "now" : ""}` },
    control, element("code", {}, shown(rival.text)),
    element("meter", { min: 0, max: 1, value: rival.probability, "aria-label": "probability" }),
    element("span", { class: "number" }, percent(rival.probability)));
}

export function leave() { byId("token").hidden = true; }

export function place() {
  const written = chosen === null ? null : textBefore(chosen);
  return written === null ? null : { ...answer.request.source, written };
}

/** Tells which patches the chosen token is due to. */
export async function blame() {
  const status = byId("blamed");
  status.textContent = "looking…";
  try {
    const source = place();
    if (source === null) throw new Error("this token begins within a character: choose the one before it");
    const { token, instead, patches: names } = await ask("POST", "/api/blame", source);
    status.textContent = names.length === 0
      ? `The model itself writes “${shown(token)}” here.`
      : `Without ${names.join(" and ")} it would write “${shown(instead)}” in the place of “${shown(token)}”.`;
  } catch (error) {
    status.textContent = error.message;
  }
}

/** Keeps the chosen token as what must stay there. */
export async function keep() {
  const status = byId("blamed");
  try {
    const source = place();
    if (source === null) throw new Error("this token begins within a character: choose the one before it");
    await cases.add({ ...source, expected: answer.tokens[chosen].text });
    status.textContent = "It is among your prompts.";
  } catch (error) {
    status.textContent = error.message;
  }
}

/** Asks for the repair, and follows it: the new answer is shown as soon as it is there, what it costs behind it. */
export async function mend() {
  const source = place();
  const wanted = byId("wanted").value || new FormData(byId("mend")).get("rival");
  const before = answer.tokens.map((token) => token.text).join("");
  const where = { written: source?.written, was: answer.tokens[chosen]?.text ?? "", wanted };
  const [section, outcome] = [byId("job"), byId("outcome")];
  section.hidden = false;
  byId("going").hidden = false;
  outcome.hidden = true;
  byId("activity").classList.remove("bad");
  byId("progress").removeAttribute("value");
  byId("activity").textContent = "waiting…";
  section.scrollIntoView({ block: "nearest" });
  const started = performance.now();
  try {
    if (source === null) throw new Error("this token begins within a character: choose the one before it");
    if (!wanted) throw new Error("say what should stand there");
    const result = await jobs.follow({ ...source, expected: wanted, ...(byId("keep-cases").checked ? {} : { keep: [] }) }, (state) => {
      job = state.id;
      if (state.progress) tell(state, started);
      if (state.state !== "running" || !state.result?.after) return;
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      if (outcome.hidden) outcome.replaceChildren(element("p", { class: "quiet" }, `Repaired after ${seconds} s. What else it does is being measured.`), "");
      outcome.lastChild.replaceWith(sides(before, state.result.after, where));
      outcome.hidden = false;
    });
    await finish(result, where);
  } catch (error) {
    byId("activity").textContent = error.message;
    byId("activity").classList.add("bad");
    byId("progress").value = 0;
  } finally {
    job = null;
  }
}

function tell(state, started) {
  const { done, total } = state.progress;
  byId("activity").textContent = jobs.activity(state, started);
  if (total > 0) {
    byId("progress").max = total;
    byId("progress").value = done;
  } else {
    byId("progress").removeAttribute("value");
  }
}

export async function cancel() { if (job !== null) await jobs.cancel(job); }

async function finish(result, where) {
  const { report, before, after, patch } = result;
  const failure = report.failures[0];
  byId("going").hidden = true;
  const outcome = byId("outcome");
  outcome.hidden = false;
  if (!patch) {
    outcome.replaceChildren(element("p", { class: failure.status === "right" ? "" : "bad" },
      failure.status === "right" ? "The model writes this already." : `Not repaired: ${failure.reason ?? "no reason is known"}.`), ...bound(result));
    return;
  }
  const button = element("button", { type: "button", class: "primary", onclick: async () => {
    button.disabled = true;
    await patches.change(patch.name, { enabled: true });
  } }, `Switch ${patch.name} on`);
  outcome.replaceChildren(
    sides(before, after, { ...where, was: failure.before }, patch.name), ...evidence(result),
    element("div", { class: "row" }, button));
  await patches.refresh();
  button.focus({ preventScroll: true });
  outcome.scrollIntoView({ block: "nearest" });
}
