// Prompts that must stay right: kept on the server, asked after each repair and whenever one likes.

import { ask } from "./api.js";
import { byId, element, shown } from "./dom.js";
import * as jobs from "./jobs.js";
import { active } from "./patches.js";
import { source } from "./writing.js";

let kept = [];
/** What the last test said, by the number of the prompt. */
let verdicts = new Map();
let job = null;

export async function begin() {
  kept = (await ask("GET", "/api/cases")).cases;
  draw();
}

/** Keeps one more; its answers are told when it is tested. */
export async function add(request) {
  kept.push(await ask("POST", "/api/cases", request));
  draw();
}

/** Keeps what the form says, asked as the form above asks. */
export async function keep() {
  const [prompt, expected] = [byId("case-prompt"), byId("case-expected")];
  await attempt(async () => {
    const mode = new FormData(byId("ask")).get("mode");
    await add({ ...source(mode, prompt.value), expected: expected.value });
    prompt.value = expected.value = "";
  });
}

/** Asks all of them, with the patches that are switched on; a second time gives it up. */
export async function test() {
  if (job !== null) return jobs.cancel(job);
  await attempt(async () => {
    const started = performance.now();
    byId("test").textContent = "Cancel";
    const result = await jobs.follow({ kind: "test", patches: active }, (state) => {
      job = state.id;
      byId("case-status").textContent = jobs.activity(state, started);
    });
    verdicts = new Map(result.cases.map((one) => [one.id, one]));
    byId("case-status").textContent = `${result.right} of ${result.asked} are right`
      + (active.length > 0 ? ` with ${active.join(", ")}` : "");
    draw();
  });
  job = null;
  byId("test").textContent = "Test now";
}

async function attempt(action) {
  const status = byId("case-status");
  status.textContent = "";
  status.classList.remove("bad");
  try { await action(); } catch (error) {
    status.textContent = error.message;
    status.classList.add("bad");
  }
}

function draw() {
  byId("no-cases").hidden = kept.length > 0;
  byId("test").hidden = byId("bound").hidden = kept.length === 0;
  byId("case-list").replaceChildren(...kept.map(row));
}

function row(one) {
  const verdict = verdicts.get(one.id);
  const name = one.prompt.length > 60 ? `…${one.prompt.slice(-60)}` : one.prompt;
  return element("li", {},
    element("div", { class: "patch-head" },
      element("span", { class: "case" }, `${shown(name)} → `, element("strong", {}, shown(one.expected))),
      element("div", { class: "patch-actions" }, element("button", {
        type: "button", "aria-label": `Forget ${name}`, onclick: () => attempt(async () => {
          await ask("DELETE", `/api/cases/${one.id}`);
          kept = kept.filter((other) => other.id !== one.id);
          draw();
        }),
      }, "✕"))),
    verdict ? element("p", { class: verdict.right ? "quiet" : "bad" },
      verdict.right ? "✓ right" : `✗ answered ${shown(verdict.written ?? "nothing: it cannot be asked")}`) : null);
}
