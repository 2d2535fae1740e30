// A wrong token: its rivals, the repair, and what came of it.

import { ask, events } from "./api.js";
import { byId, element, percent, shown } from "./dom.js";
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

/** Asks for the repair, and follows it. */
export async function mend() {
  const source = place();
  const wanted = byId("wanted").value || new FormData(byId("mend")).get("rival");
  const section = byId("job");
  section.hidden = false;
  byId("going").hidden = false;
  byId("outcome").hidden = true;
  byId("activity").classList.remove("bad");
  byId("progress").removeAttribute("value");
  byId("activity").textContent = "waiting…";
  section.scrollIntoView({ block: "nearest" });
  const started = performance.now();
  try {
    if (source === null) throw new Error("this token begins within a character: choose the one before it");
    if (!wanted) throw new Error("say what should stand there");
    const queued = await ask("POST", "/api/jobs", { ...source, expected: wanted });
    job = queued.id;
    for await (const state of events("GET", `/api/jobs/${job}/events`)) {
      const seconds = Math.round((performance.now() - started) / 1000);
      if (state.progress) tell(state.progress, seconds);
      if (state.state === "failed") throw new Error(state.error);
      if (state.state === "cancelled") throw new Error("cancelled");
      if (state.state === "done") await finish(state, wanted, source.written);
    }
  } catch (error) {
    byId("activity").textContent = error.message;
    byId("activity").classList.add("bad");
    byId("progress").value = 0;
  } finally {
    job = null;
  }
}

function tell(progress, seconds) {
  byId("activity").textContent = `${progress.activity} · ${seconds} s`;
  if (progress.total > 0) {
    byId("progress").max = progress.total;
    byId("progress").value = progress.done;
  } else {
    byId("progress").removeAttribute("value");
  }
}

export async function cancel() { if (job !== null) await ask("DELETE", `/api/jobs/${job}`); }

async function finish(state, wanted, written) {
  const { report, before, after, patch } = state.result;
  const failure = report.failures[0];
  byId("going").hidden = true;
  const outcome = byId("outcome");
  outcome.hidden = false;
  if (!patch) {
    outcome.replaceChildren(element("p", { class: failure.status === "right" ? "" : "bad" },
      failure.status === "right" ? "The model writes this already." : `Not repaired: ${failure.reason ?? "no reason is known"}.`));
    return;
  }
  const button = element("button", { type: "button", class: "primary", onclick: async () => {
    button.disabled = true;
    await patches.change(patch.name, { enabled: true });
  } }, `Switch ${patch.name} on`);
  outcome.replaceChildren(
    element("div", { class: "sides" },
      side("Before", before, written.length, failure.before.length),
      side(`After, with ${patch.name}`, after, written.length, wanted.length)),
    element("h3", {}, "What it costs"), costs(report),
    ...report.objections.map((line) => element("p", { class: "bad" }, `A guard objects: ${line}.`)),
    element("h3", {}, "What was changed"), changes(report),
    element("div", { class: "row" }, button));
  await patches.refresh();
  button.focus({ preventScroll: true });
  outcome.scrollIntoView({ block: "nearest" });
}

/** An answer with the place of the repair marked. */
function side(title, text, start, length) {
  return element("figure", {}, element("figcaption", {}, title),
    element("div", { class: "text" }, text.slice(0, start), element("mark", {}, text.slice(start, start + length)),
      text.slice(start + length)));
}

function facts(entries) {
  return element("dl", { class: "facts" },
    ...entries.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function costs(report) {
  const [effects, heldOut] = [report.side_effects, report.held_out];
  const ratio = heldOut.perplexity_before > 0 ? heldOut.perplexity_after / heldOut.perplexity_before : 1;
  const entries = [
    [`Most likely tokens that changed in ${effects.texts} other texts`, percent(effects.changed_top)],
    ["Mean divergence there, nats a token", effects.divergence.toExponential(1)],
    ["Perplexity of held-out text, after to before", ratio.toFixed(4)],
    ["Size of the change, relative to its matrices", percent(report.relative_norm)],
    ["Time", `${report.seconds.toFixed(1)} s`],
  ];
  if (report.earlier) entries.splice(3, 0, ["Earlier repairs that hold", `${report.earlier.held} of ${report.earlier.asked}`]);
  return facts(entries);
}

function changes(report) {
  return facts([
    ...report.neurons.map((one) => [
      `Neuron ${one.neuron.layer}.${one.neuron.index}${one.rereads ? ", also what it reads" : ""}; speaks for `
        + one.promotes.slice(0, 4).map(shown).join(", "),
      `${(one.change / (one.length || 1)).toFixed(2)} × its length`]),
    ...report.matrices.map((one) => [`Output projection of layer ${one.layer}`, `${(one.change / one.length).toFixed(4)} × its norm`]),
  ]);
}
