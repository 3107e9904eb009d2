// The page begins: panels, menus, keys, and what scripts may call.

import { App } from "chainrule/app";
import { checkPanel } from "chainrule/check";
import { derivationPanel } from "chainrule/derivation";
import { make, options, repainted, write } from "chainrule/dom";
import { graphPanel } from "chainrule/graph";
import { learnPanel } from "chainrule/learn";
import { logPanel } from "chainrule/log";
import { surfacePanel } from "chainrule/surface";
import { tryPanel } from "chainrule/tryit";

const subjects = JSON.parse(document.getElementById("subjects").textContent);
const app = new App(subjects);

const graph = graphPanel(app), surface = surfacePanel(app), attempt = tryPanel(app);
const theme = document.getElementById("theme");
const head = {
  open() {
    write(document.getElementById("title"), app.data.title);
    write(document.getElementById("text"), app.data.text);
    write(document.getElementById("subject-note"), app.data.note);
    document.title = `${app.data.title}, chainrule`;
  },
  update() {
    document.getElementById("undo").disabled = !app.history.moments.length;
    write(theme, isDark() ? "Light" : "Dark");
  },
};
app.hold([head, graph, logPanel(app), surface, learnPanel(app), checkPanel(app), attempt, derivationPanel(app)]);

// The menus.

const gallery = document.getElementById("gallery");
options(gallery, subjects.map(({ title }, n) => [n, title]), 0);
gallery.closest("label").hidden = subjects.length < 2;
gallery.addEventListener("change", () => app.open(Number(gallery.value)));
document.getElementById("undo").addEventListener("click", ({ target }) => {
  app.undo();
  // A button that is off keeps no keyboard: the next one has it.
  if (target.disabled) document.getElementById("take").focus();
});

const isDark = () => document.documentElement.dataset.theme === "dark" ||
  (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
const repaint = () => {
  repainted();
  app.render();
};
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  repaint();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

const SUFFIX = { Python: "py", NumPy: "py", LaTeX: "tex", JSON: "json", SVG: "svg" };

function exported(kind) {
  if (kind !== "SVG") return app.exported(kind);
  // What was moved a moment ago may not be drawn yet.
  app.renderNow();
  return new XMLSerializer().serializeToString(graph.svg());
}

const dialog = document.getElementById("export");
for (const kind of Object.keys(SUFFIX)) {
  document.getElementById("kinds").append(make("button", {
    type: "button", onclick: () => {
      const text = exported(kind);
      document.getElementById("export-text").value = text;
      const link = document.getElementById("download");
      URL.revokeObjectURL(link.href);
      link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
      link.download = `chainrule.${SUFFIX[kind]}`;
      for (const button of document.querySelectorAll("#kinds button")) button.setAttribute("aria-pressed", String(button.textContent === kind));
    },
  }, kind));
}
document.getElementById("take").addEventListener("click", () => {
  document.querySelector("#kinds button").click();
  dialog.showModal();
});

// Light what belongs together.

for (const type of ["pointerover", "focusin"]) {
  document.addEventListener(type, (event) => {
    const element = event.target.closest?.("[data-edge], [data-node]");
    if (!element) app.light(null);
    else if (element.dataset.edge !== undefined) app.light({ edge: Number(element.dataset.edge) });
    else app.light({ node: Number(element.dataset.node) });
  });
}

// Keys, wherever no field has them.

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea, dialog") || event.altKey) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") app.undo();
  else if (event.ctrlKey || event.metaKey) return;
  else if (event.key === "ArrowLeft") app.step(app.k - 1);
  else if (event.key === "ArrowRight") app.step(app.k + 1);
  else if (event.key === "Home") app.step(0);
  else if (event.key === "End") app.step(app.model.last);
  else if (event.key === "u") app.undo();
  else if (event.key === "t") app.data.live && app.train(1);
  else return;
  event.preventDefault();
});

window.addEventListener("hashchange", () => {
  if (location.hash.slice(1) !== app.state()) go();
});

async function go() {
  await app.goTo(location.hash.slice(1));
  gallery.value = String(app.number);
}

window.chainrule = {
  ready: go(),
  values: () => app.values(),
  gradients: () => app.gradients(),
  set: (name, value) => app.set(name, value),
  step: (k) => app.step(k),
  train: (n) => app.train(n),
  undo: () => app.undo(),
  rewind: () => app.rewind(),
  mistake: (which, edge) => app.mistake(which, edge),
  open: async (n) => {
    if (!subjects[n]) throw new Error(`there is no example ${n}: there are ${subjects.length}, from 0`);
    await app.open(n);
    gallery.value = String(n);
  },
  live: () => app.data.live,
  rate: (x) => app.rateOf(x),
  optimizer: (kind) => app.optimizer(kind),
  batch: (size, seed) => app.batch(size, seed),
  race: () => surface.race(),
  exported,
  state: () => app.state(),
  frames: () => [...app.frames],
  draw: () => app.renderNow(),
  passes: () => (app.data.passes ?? []).map(({ kind, says }) => ({ kind, says })),
  edges: () => app.data.edges.map(([step, , x]) => [app.data.steps[step].name, app.data.steps[x].name]),
  attempt: { start: () => attempt.start(), answer: (x) => (attempt.type(x), attempt.judge()) },
};
