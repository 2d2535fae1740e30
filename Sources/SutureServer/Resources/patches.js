// The patches on the model: switches and sliders that change the answer at once.

import { ask, save } from "./api.js";
import { byId, element, settled } from "./dom.js";

let base = "";
let listener = () => {};
/** The patches that are switched on, as a request names them. */
export let active = [];

export function onChange(action) { listener = action; }

export async function begin(name) {
  base = name;
  await refresh();
}

export async function refresh() {
  const { patches } = await ask("GET", "/api/patches");
  byId("no-patches").hidden = patches.length > 0;
  const focused = document.activeElement?.id;
  byId("patches").replaceChildren(...patches.map(row));
  if (focused) byId(focused)?.focus();
  active = patches.filter((patch) => patch.enabled && patch.fits)
    .map((patch) => patch.scale === 1 ? patch.name : `${patch.name}@${patch.scale}`);
  byId("stack").textContent = [base, ...active].join("+");
}

/** Changes a patch on the server, and the answer with it. */
export async function change(name, change) {
  await attempt(() => ask("PATCH", `/api/patches/${name}`, change));
  listener();
}

async function attempt(action) {
  const status = byId("patch-status");
  status.textContent = "";
  status.classList.remove("bad");
  try { await action(); } catch (error) {
    status.textContent = error.message;
    status.classList.add("bad");
  }
  await refresh();
}

function row(patch) {
  const number = element("output", { class: "number" }, patch.scale.toFixed(2));
  const changed = settled(120, (scale) => change(patch.name, { scale }));
  const fixes = (patch.fixes ?? []).map((fix) => `${fix.prompt.slice(-40)} → ${fix.expected}`).join("; ");
  return element("li", {},
    element("div", { class: "patch-head" },
      element("label", {},
        element("input", {
          id: `switch-${patch.name}`, type: "checkbox", role: "switch", checked: patch.enabled, disabled: !patch.fits,
          onchange: (event) => change(patch.name, { enabled: event.target.checked }),
        }), patch.name),
      element("div", { class: "patch-actions" },
        element("button", {
          type: "button", "aria-label": `Download ${patch.name}`,
          onclick: () => attempt(() => save(`/api/patches/${patch.name}/file`, `${patch.name}.safetensors`)),
        }, "↓"),
        element("button", {
          type: "button", "aria-label": `Remove ${patch.name}`,
          onclick: () => { if (confirm(`Remove ${patch.name} for good?`)) remove(patch.name); },
        }, "✕"))),
    patch.fits
      ? element("label", { class: "scale" }, "How much",
        element("input", {
          id: `scale-${patch.name}`, type: "range", min: -1, max: 2, step: 0.05, value: patch.scale,
          "aria-label": `How much of ${patch.name}`,
          oninput: (event) => {
            number.value = Number(event.target.value).toFixed(2);
            changed(Number(event.target.value));
          },
        }), number)
      : element("p", { class: "bad" }, patch.problem),
    fixes ? element("p", { class: "quiet" }, fixes) : null);
}

async function remove(name) {
  await attempt(() => ask("DELETE", `/api/patches/${name}`));
  listener();
}

/** Sends a patch file to the server, under its own name where that can be. */
export async function upload(file) {
  const name = file.name.replace(/\.safetensors$/, "").replace(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 64);
  await attempt(() => ask("PUT", `/api/patches/${name || "patch"}`, file));
}
