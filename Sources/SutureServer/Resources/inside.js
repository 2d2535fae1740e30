// Views into the model at a token of the answer: what each layer would say, what heads attend to, and what another prompt
// would lend.

import { ask } from "./api.js";
import { byId, element, percent, shown } from "./dom.js";
import { active } from "./patches.js";
import { place } from "./repairs.js";
import * as sweep from "./sweep.js";
import { answer, source } from "./writing.js";

const positionsShown = 12;
export const views = ["lens", "attention", "sweep"];
/** What is looked into: the form and text of the prompt, what was written behind it, the patches, the layer of heads; and the
 * other prompt, what it lends, and the cell where it does. */
let passage = null;
let layers = 1;

export function begin(count) { layers = count; }

export async function look() {
  const written = place()?.written;
  if (written === undefined) return;
  const { mode, text } = answer.request;
  await open({ mode, text, written, layer: layers - 1, patches: active }, "lens");
  byId("inside").scrollIntoView({ block: "nearest" });
}

/** Opens the view that the address names, as a link was sent. */
export async function follow() {
  const link = new URLSearchParams(location.hash.slice(1));
  const view = link.get("view");
  if (!views.includes(view)) return;
  const [mode, text, written] = ["mode", "text", "written"].map((name) => link.get(name) ?? "");
  byId("prompt").value = text;
  for (const choice of document.getElementsByName("mode")) choice.checked = choice.value === mode;
  const layer = Math.min(layers - 1, Math.max(0, Math.trunc(Number(link.get("layer") ?? layers - 1)) || 0));
  const cell = link.has("cell") ? link.get("cell").split(",").map((number) => Math.trunc(Number(number)) || 0) : null;
  const other = { source: link.get("source"), component: link.get("component") ?? "residual", cell };
  await open({ mode, text, written, layer, patches: link.getAll("patch"), ...other }, view);
}

async function open(what, view) {
  passage = what;
  byId("inside").hidden = false;
  for (const name of views) byId(name).replaceChildren();
  await select(view);
}

export async function select(name) {
  for (const tab of views) {
    const isChosen = tab === name;
    byId(tab).hidden = !isChosen;
    byId(`${tab}-tab`).setAttribute("aria-selected", String(isChosen));
    byId(`${tab}-tab`).tabIndex = isChosen ? 0 : -1;
  }
  await drawing(name, { lens, attention, sweep: swaps }[name]);
}

/** The request for a view; from now on the address and the link lead there. */
function asked(view, more = {}) {
  const { mode, text, written, patches } = passage;
  lead(view, more);
  return { ...source(mode, text), written, patches, ...more };
}

/** Makes the address and the link lead to a view. */
function lead(view, more = {}) {
  const { mode, text, written, patches } = passage;
  const link = new URLSearchParams({ view, mode, text, written, ...more });
  for (const patch of patches) link.append("patch", patch);
  history.replaceState(null, "", `#${link}`);
  byId("view-link").href = `#${link}`;
}

async function drawing(name, draw) {
  byId(name).replaceChildren(element("p", { class: "quiet", role: "status" }, "computing…"));
  try {
    byId(name).replaceChildren(...await draw());
  } catch (error) {
    byId(name).replaceChildren(element("p", { class: "bad", role: "status" }, error.message));
  }
}

async function lens() {
  const { logit_lens: view, answer } = await ask("POST", "/api/lens", asked("lens"));
  const first = Math.max(0, view.tokens.length - positionsShown);
  const rows = view.cells.map((cells, layer) => [layer, cells.slice(first)]).reverse();
  return [
    element("p", { class: "quiet" }, `What the model would say after each layer, the last one on top; it says “${shown(answer)}”.`),
    table(["layer", ...view.tokens.slice(first).map(shown)],
      rows.map(([layer, cells]) => [String(layer), cells.map((cell) => ({
        text: shown(cell.token), p: cell.probability, title: `${shown(cell.token)} ${percent(cell.probability)}`,
      }))])),
  ];
}

async function attention() {
  const { layer } = passage;
  const view = await ask("POST", "/api/attention", asked("attention", { layer }));
  const first = Math.max(0, view.tokens.length - 2 * positionsShown);
  const choice = element("select", {
    onchange: (event) => {
      passage.layer = Number(event.target.value);
      drawing("attention", attention);
    },
  }, ...Array.from({ length: layers }, (_, index) => element("option", { value: index, selected: index === layer }, `layer ${index}`)));
  return [
    element("label", {}, "Heads of ", choice),
    element("p", { class: "quiet" }, "How much the last token attends to each token, by each head."),
    table(["head", ...view.tokens.slice(first).map(shown)],
      view.heads.map((weights, head) => [String(head), weights.slice(first).map((weight) => ({
        text: weight < 0.005 ? "" : weight.toFixed(2), p: weight, title: percent(weight),
      }))])),
  ];
}

function swaps() {
  const link = () => {
    const { source, component, cell } = passage;
    lead("sweep", { ...(source ? { source, component } : {}), ...(cell ? { cell: cell.join(",") } : {}) });
  };
  link();
  const { mode, text, written, patches } = passage;
  return sweep.view(passage, () => ({ ...source(mode, text), written, patches }), link);
}

function table(head, rows) {
  return element("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Heat map" },
    element("table", { class: "heat" },
      element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows.map(([name, cells]) => element("tr", {}, element("th", { scope: "row" }, name),
        ...cells.map((cell) => element("td", { "--p": cell.p, title: cell.title }, cell.text)))))));
}
