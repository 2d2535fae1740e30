// What came of a repair: both answers as soon as there are two, then what it costs.

import { element, percent, shown } from "./dom.js";

/** An answer with the place of the repair marked. */
function side(title, text, start, length) {
  return element("figure", {}, element("figcaption", {}, title),
    element("div", { class: "text" }, text.slice(0, start), element("mark", {}, text.slice(start, start + length)),
      text.slice(start + length)));
}

/** The old and the new answer; `place` says where they part: the text before, and what was and is written there. */
export function sides(before, after, { written, was, wanted }, name) {
  return element("div", { class: "sides" },
    side("Before", before, written.length, was.length),
    side(name ? `After, with ${name}` : "After", after, written.length, wanted.length));
}

function facts(entries) {
  return element("dl", { class: "facts" },
    ...entries.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

/** How many prompts of one's own the repair was bound to, and those that it could not be. */
export function bound({ keep, report }) {
  if (keep.length === 0) return [];
  const notes = report.failures.flatMap((failure) => failure.notes ?? []).filter((note) => note.startsWith("not kept"));
  return [facts([["Your own prompts that it had to leave right", `${keep.length - notes.length} of ${keep.length}`]]),
    ...notes.map((note) => element("p", { class: "quiet" }, note))];
}

/** All that is known of a finished repair. */
export function evidence(result) {
  const { report, reach, cases } = result;
  return [
    element("h3", {}, "What it costs"), costs(report),
    ...report.objections.map((line) => element("p", { class: "bad" }, `A guard objects: ${line}.`)),
    ...(cases ? [element("h3", {}, "Your own prompts"), ...ownPrompts(cases), ...bound(result)] : []),
    ...(reach ? [element("h3", {}, "Where else the answer comes"), reached(reach)] : []),
    element("h3", {}, "What was changed"), changes(report),
  ];
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

function ownPrompts(cases) {
  const line = (one) => element("li", { class: one.right ? "" : "bad" },
    `${one.right ? "Right now" : "Another answer"}: ${shown(one.prompt.slice(-50))} → ${shown(one.after ?? "nothing")}`
      + ` (before: ${shown(one.before ?? "nothing")})`);
  return [
    facts([["Answered rightly, before and after", `${cases.before} and ${cases.after} of ${cases.asked}`]]),
    ...(cases.changed.length > 0 ? [element("ul", { class: "lines" }, ...cases.changed.map(line))] : []),
  ];
}

function reached({ wordings, near_misses: near }) {
  return facts([
    ["Behind other wordings, which it was made with", `${wordings.after} of ${wordings.asked} (before: ${wordings.before})`],
    ["Behind questions easily mistaken for it, where it should not", `${near.after} of ${near.asked} (before: ${near.before})`],
  ]);
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
