// The page: what its parts tell one another.

import { ask, enter } from "./api.js";
import * as cases from "./cases.js";
import { byId } from "./dom.js";
import * as inside from "./inside.js";
import * as patches from "./patches.js";
import * as repairs from "./repairs.js";
import * as writing from "./writing.js";

writing.onChoose((index) => repairs.show(index));
// What is chosen is of the old answer.
const again = () => {
  repairs.leave();
  writing.write();
};
patches.onChange(() => { if (writing.answer.request) again(); });

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  again();
});
byId("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
});
byId("stop").addEventListener("click", () => writing.stop());
byId("answer").addEventListener("keydown", (event) => writing.onKey(event));
byId("mend").addEventListener("submit", (event) => {
  event.preventDefault();
  repairs.mend();
});
byId("leave").addEventListener("click", () => repairs.leave());
byId("look").addEventListener("click", () => inside.look());
byId("blame").addEventListener("click", () => repairs.blame());
byId("keep-token").addEventListener("click", () => repairs.keep());
byId("keep").addEventListener("submit", (event) => {
  event.preventDefault();
  cases.keep();
});
byId("test").addEventListener("click", () => cases.test());
byId("cancel").addEventListener("click", () => repairs.cancel());
byId("wanted").addEventListener("input", () => {
  for (const rival of document.querySelectorAll("input[name=rival]")) rival.checked = false;
});
inside.views.forEach((name, place, all) => {
  byId(`${name}-tab`).addEventListener("click", () => inside.select(name));
  byId(`${name}-tab`).addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: all.length - 1 }[event.key];
    if (!step) return;
    const other = all[(place + step) % all.length];
    byId(`${other}-tab`).focus();
    inside.select(other);
  });
});
addEventListener("hashchange", () => inside.follow());
byId("upload").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) await patches.upload(file);
  event.target.value = "";
});

try {
  const model = await ask("GET", "/api/model");
  byId("model").textContent = `${model.name} · ${model.family}, ${model.layers} layers, ${model.context} tokens`;
  byId("chat-mode").hidden = !model.chat;
  inside.begin(model.layers);
  await patches.begin(model.name);
  await cases.begin();
  await inside.follow();
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
