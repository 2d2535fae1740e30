// Views into the model at a token of the answer: what each layer would say, and what heads attend to.

import { ask } from "./api.js";
import { byId, element, percent, shown } from "./dom.js";
import { place } from "./repairs.js";

const positionsShown = 12;
let source = null;
let layers = 1;

export function begin(count) { layers = count; }

export async function look() {
  source = place();
  byId("inside").hidden = false;
  byId("attention").replaceChildren();
  await select("lens");
  byId("inside").scrollIntoView({ block: "nearest" });
}

export async function select(name) {
  for (const tab of ["lens", "attention"]) {
    const isChosen = tab === name;
    byId(tab).hidden = !isChosen;
    byId(`${tab}-tab`).setAttribute("aria-selected", String(isChosen));
    byId(`${tab}-tab`).tabIndex = isChosen ? 0 : -1;
  }
  if (name === "lens") await drawing("lens", lens);
  else if (!byId("attention").hasChildNodes()) await drawing("attention", () => attention(layers - 1));
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
  const { logit_lens: view, answer } = await ask("POST", "/api/lens", source);
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

async function attention(layer) {
  const view = await ask("POST", "/api/attention", { ...source, layer });
  const first = Math.max(0, view.tokens.length - 2 * positionsShown);
  const choice = element("select", {
    onchange: (event) => drawing("attention", () => attention(Number(event.target.value))),
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

function table(head, rows) {
  return element("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Heat map" },
    element("table", { class: "heat" },
      element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows.map(([name, cells]) => element("tr", {}, element("th", { scope: "row" }, name),
        ...cells.map((cell) => element("td", { "--p": cell.p, title: cell.title }, cell.text)))))));
}
