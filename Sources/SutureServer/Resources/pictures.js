// The page of a classifier: a picture, what is done to it, and what the classifier sees, without patches and with them.

import { ask, enter } from "./api.js";
import { byId, element, percent, settled } from "./dom.js";
import * as patches from "./patches.js";

const rowsShown = 10;
let classes = [];
/** The bytes of a picture that was opened, as base64; null for an image of the set. */
let opened = null;
/** Which question was asked last: earlier answers that come later are not shown. */
let asked = 0;

/** Asks about the picture that is chosen, as the controls say. */
async function look() {
  if (opened === null && byId("image").value === "") return;
  const number = ++asked;
  const kind = byId("corruption").value;
  byId("severity-row").hidden = kind === "";
  byId("severity-shown").value = byId("severity").value;
  const request = {
    ...(opened === null ? { image: Number(byId("image").value) } : { picture: opened }),
    ...(kind === "" ? {} : { corruption: kind, severity: Number(byId("severity").value) }),
    patches: patches.active,
  };
  try {
    const answer = await ask("POST", "/api/classify", request);
    if (number !== asked) return;
    say("");
    await show(answer, request);
  } catch (error) {
    if (number === asked) say(error.message);
  }
}

function say(problem) {
  byId("status").textContent = problem;
  byId("status").classList.toggle("bad", problem !== "");
}

async function show(answer, request) {
  const { label, clean, corrupted } = answer;
  byId("no-picture").hidden = true;
  byId("views").hidden = byId("said").hidden = false;
  byId("corrupted-side").hidden = corrupted === null;
  await paint("clean", clean.png);
  if (corrupted !== null) await paint("corrupted", corrupted.png);
  const stack = request.patches.join(" + ");
  const groups = [["as it is", clean], ["corrupted", corrupted]].filter(([, view]) => view !== null);
  const view = corrupted ?? clean;
  byId("verdict").replaceChildren(
    ...answered("The base", view.before, label),
    ...(stack === "" ? [] : [element("br"), ...answered(`With ${stack}`, view.after, label)]));
  byId("scores").replaceChildren(table(groups, stack !== "", label));
}

/** What is seen most likely, and whether it is right where that is known. */
function answered(who, values, label) {
  const best = values.indexOf(Math.max(...values));
  const verdict = label === null ? "" : classes[best] === label ? " ✓ right" : ` ✗ it is ${label}`;
  return [`${who}: `, element("strong", {}, classes[best]), ` ${percent(values[best])}${verdict}`];
}

/** The likeliest classes of any column, and the right one: for each form of the picture the base, and what patches make of it. */
function table(groups, isPatched, label) {
  const columns = groups.flatMap(([, view]) => isPatched ? [view.before, view.after] : [view.before]);
  const most = classes.map((_, place) => Math.max(...columns.map((values) => values[place])));
  const order = [...classes.keys()].sort((one, other) => most[other] - most[one]);
  const shown = order.filter((place, rank) => rank < rowsShown || classes[place] === label);
  const head = (scope, name, more = {}) => element("th", { scope, ...more }, name);
  return element("table", { class: "scores" },
    element("thead", {},
      element("tr", {}, head("col", "Class", { rowSpan: 2 }),
        ...groups.map(([name]) => head("colgroup", name, { colSpan: isPatched ? 2 : 1 }))),
      element("tr", {}, ...groups.flatMap(() => (isPatched ? ["base", "patched"] : ["base"]).map((name) => head("col", name))))),
    element("tbody", {}, ...shown.map((place) => element("tr", {},
      classes[place] === label ? head("row", element("strong", {}, classes[place])) : head("row", classes[place]),
      ...columns.map((values) => element("td", { "--p": values[place] }, percent(values[place])))))));
}

/** Draws a PNG file that came as base64: small ones with larger pixels. */
async function paint(id, base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = byId(id);
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}

async function open(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let start = 0; start < bytes.length; start += 32768) text += String.fromCharCode(...bytes.subarray(start, start + 32768));
  opened = btoa(text);
  byId("image").value = "";
  await look();
}

function step(by) {
  const choice = byId("image");
  const count = choice.options.length;
  choice.selectedIndex = (choice.selectedIndex + by + count) % count;
  opened = null;
  look();
}

byId("image").addEventListener("change", () => { opened = null; look(); });
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("corruption").addEventListener("change", look);
byId("severity").addEventListener("input", settled(80, look));
byId("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) await open(file);
  event.target.value = "";
});
byId("upload").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) await patches.upload(file);
  event.target.value = "";
});
patches.onChange(look);

try {
  const model = await ask("GET", "/api/model");
  classes = model.classes;
  byId("model").textContent = `${model.name} · ${model.family}, ${classes.length} classes, ${model.channels === 1 ? "grey" : "in colours"}`;
  byId("corruption").append(...model.corruptions.map((kind) => element("option", { value: kind }, kind.replaceAll("_", " "))));
  const { images } = await ask("GET", "/api/images");
  byId("image").append(...images.map(({ name, label }, place) =>
    element("option", { value: place }, label === null ? name : `${name} · ${label}`)));
  for (const id of ["choice", "previous", "next"]) byId(id).hidden = images.length === 0;
  await patches.begin(model.name);
  await look();
} catch (error) {
  byId("model").textContent = error.message;
  // A token that cannot stand in a header is another to be asked for again.
  byId("entry").hidden = error.status !== 401 && !(error instanceof TypeError);
}

byId("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  enter(byId("key").value.trim());
  location.reload();
});
