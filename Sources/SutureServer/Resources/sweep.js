// Two prompts: what becomes of the answer if the other one lends a part of the model, layer by layer and token by token.

import { ask } from "./api.js";
import { element, percent, shown } from "./dom.js";
import * as jobs from "./jobs.js";

const components = { residual: "residual stream", attention: "attention", mlp: "MLP" };
let job = null;

/** The form for the other prompt and what comes of it. `passage` has the place; `link` makes the address lead here. */
export function view(passage, request, link) {
  const other = element("textarea", { rows: 2, spellcheck: false, value: passage.source ?? passage.text });
  const part = element("select", {}, ...Object.entries(components).map(
    ([value, name]) => element("option", { value, selected: value === passage.component }, name)));
  const stop = element("button", { type: "button", hidden: true, onclick: () => jobs.cancel(job) }, "Cancel");
  const status = element("p", { class: "quiet", role: "status" });
  const [map, swapped] = [element("div"), element("div", { class: "swapped" })];

  function lending() {
    const source = passage.mode === "chat"
      ? { source_messages: [{ role: "user", content: passage.source }] } : { source: passage.source };
    return { ...request(), ...source, component: passage.component };
  }

  async function sweep() {
    [passage.source, passage.component] = [other.value, part.value];
    link();
    map.replaceChildren();
    swapped.replaceChildren();
    status.classList.remove("bad");
    stop.hidden = false;
    const started = performance.now();
    try {
      const { sweep: found } = await jobs.follow({ kind: "sweep", ...lending() }, (state) => {
        job = state.id;
        status.textContent = jobs.activity(state, started);
      });
      status.textContent = `Behind the prompt the model says “${shown(found.answer)}”, behind the other one “${shown(found.other)}”. `
        + "0 leaves that as it is, 1 makes both as likely, more makes it the other one. Choose a cell to patch there.";
      map.replaceChildren(table(found, patch));
      if (passage.cell) await patch(...passage.cell);
    } catch (error) {
      status.textContent = error.message;
      status.classList.add("bad");
    }
    stop.hidden = true;
  }

  async function patch(layer, position) {
    passage.cell = [layer, position];
    link();
    for (const cell of map.querySelectorAll("button")) {
      cell.setAttribute("aria-pressed", String(cell.dataset.layer === String(layer) && cell.dataset.position === String(position)));
    }
    try {
      const { before, after } = await ask("POST", "/api/swap", { ...lending(), layer, position });
      swapped.replaceChildren(
        element("h3", {}, `With the ${components[passage.component]} of the other prompt in layer ${layer}, at token ${position}`),
        element("div", { class: "sides" }, told("Without", before), told("With it", after)));
      swapped.scrollIntoView({ block: "nearest" });
    } catch (error) {
      swapped.replaceChildren(element("p", { class: "bad", role: "status" }, error.message));
    }
  }

  const form = element("form", {
    onsubmit: (event) => {
      event.preventDefault();
      passage.cell = null;
      sweep();
    },
  }, element("label", {}, "Another prompt of as many tokens, in which what matters is different", other),
    element("div", { class: "row" }, element("label", {}, "It lends its ", part), stop,
      element("button", { type: "submit", class: "primary" }, "Sweep")));
  if (passage.source) sweep();
  return [form, status, map, swapped];
}

/** What the model goes on with, and its most likely tokens. */
function told(title, { text, rivals }) {
  return element("figure", {}, element("figcaption", {}, title), element("div", { class: "text" }, text),
    element("p", { class: "quiet" }, rivals.map((one) => `${shown(one.text)} ${percent(one.probability)}`).join(" · ")));
}

/** Layers, the last one on top, by tokens; one cell is in the order of the tab key, arrows lead to the others. */
function table(found, choose) {
  const cell = (effect, layer, position) => element("td", { "--p": Math.min(1, Math.abs(effect) / 2) },
    element("button", {
      type: "button", class: "cell", tabIndex: layer === found.cells.length - 1 && position === 0 ? 0 : -1,
      "data-layer": String(layer), "data-position": String(position), "aria-pressed": "false",
      "aria-label": `layer ${layer}, ${shown(found.columns[position])}: ${effect.toFixed(2)}`, title: effect.toFixed(3),
      onclick: () => choose(layer, position),
    }, Math.abs(effect) < 0.05 ? "·" : effect.toFixed(1)));
  const made = element("table", { class: "heat" },
    element("thead", {}, element("tr", {}, ...["layer", ...found.columns.map(shown)].map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...found.cells.map((row, layer) => element("tr", {}, element("th", { scope: "row" }, String(layer)),
      ...row.map((effect, position) => cell(effect, layer, position)))).reverse()));
  made.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const { layer, position } = document.activeElement.dataset;
    const next = steps && made.querySelector(
      `[data-layer="${Number(layer) + steps[0]}"][data-position="${Number(position) + steps[1]}"]`);
    if (!next) return;
    document.activeElement.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  });
  return element("div", { class: "scroll", role: "region", "aria-label": "Effects, layers by tokens" }, made);
}
