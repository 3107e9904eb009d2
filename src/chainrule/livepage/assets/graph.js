// The graph: numbers in its boxes, local derivatives on its arrows, and the node that is looked at.

import { channels, dial, draggable, make, write } from "chainrule/dom";
import { differs, entryName, exact, finite, format, shown, sizeOf, turned } from "chainrule/numbers";

const MOST_FIELDS = 24;

export function graphPanel(app) {
  const holder = document.getElementById("graph"), node = document.getElementById("node");
  const position = document.getElementById("position"), told = document.getElementById("now");
  const parser = new DOMParser();
  let svg = null, boxes = [], arrows = [], way = "", playing = null, fields = null;

  function drawn(text) {
    const found = parser.parseFromString(text, "image/svg+xml").documentElement;
    return document.importNode(found, true);
  }

  /** The picture that suits the room: from left to right where that can be read, else from top to bottom. */
  function choose() {
    const main = document.getElementById("main");
    main.classList.remove("tall");
    const wide = Number(/ width="(\d+)"/.exec(app.data.right)[1]), wanted = wide <= holder.clientWidth * 1.35 ? "right" : "down";
    // A tall picture stands beside the other panels, where there is room for it.
    main.classList.toggle("tall", wanted === "down");
    const room = holder.clientWidth;
    if (wanted !== way || !svg) {
      way = wanted;
      build();
    }
    const own = Number(svg.getAttribute("width")), factor = Math.min(Math.max(room / own, 0.72), way === "down" ? 1.1 : 1.35);
    svg.style.width = `${own * factor}px`;
    svg.style.height = `${Number(svg.getAttribute("height")) * factor}px`;
  }

  function build() {
    svg = drawn(app.data[way]);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", `The graph of ${app.output.name}`);
    svg.querySelector("title")?.remove();
    holder.replaceChildren(svg);
    boxes = [...svg.querySelectorAll("[data-box]")].map((element) => ({
      element, steps: app.data.boxes[element.dataset.box], data: element.querySelectorAll("text")[1], grad: element.querySelector(".f-grad"),
    }));
    for (const box of boxes) {
      const [place, more] = box.steps, extents = app.data.steps[place]?.shape.join("×");
      if (more === undefined && app.model.isByRow(place)) box.shape = [...box.element.querySelectorAll("text")].find((text) => text.textContent === extents);
    }
    arrows = [...svg.querySelectorAll("[data-arrow]")].map((element) => {
      const edges = app.data.arrows[element.dataset.arrow], label = element.querySelector("text");
      if (edges.length === 1) element.dataset.edge = edges[0];
      return { element, edges, label, live: app.data.widest.includes(label?.textContent), path: element.querySelector("path") };
    });
    for (const box of boxes) if (box.steps.length === 1) wire(box);
  }

  /** A box can be reached, looked at, and turned where it is a number that is given. */
  function wire({ element, steps: [place] }) {
    const leaf = app.data.leaves.indexOf(place), step = app.data.steps[place];
    element.dataset.node = place;
    element.setAttribute("tabindex", "0");
    element.addEventListener("click", () => {
      if (element.dataset.moved !== "yes") app.select(place);
    });
    const isGiven = leaf >= 0 && !step.shape.length && app.data.live;
    element.setAttribute("role", isGiven ? "slider" : "button");
    if (isGiven) {
      element.classList.add("turned");
      const set = (x) => app.set(step.name, x);
      draggable(element, () => app.model.leaves[leaf], set);
      element.addEventListener("keydown", (event) => {
        const turns = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
        if (!turns) return;
        event.preventDefault();
        event.stopPropagation();
        set(turned(app.model.leaves[leaf], turns));
      });
    }
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        event.stopPropagation();
        app.selected = place;
        app.renderNow();
        node.querySelector("input")?.focus();
      }
    });
  }

  /** From where to where the numbers and the gradients of several steps reach. */
  function severalIn(inside, data, grad) {
    const { value, gradient } = app.now, { steps } = app.data, made = inside.filter((place) => steps[place].op);
    const reach = (list) => {
      const found = (made.length ? made : inside).flatMap((place) => (list[place] === undefined ? [] : typeof list[place] === "number" ? [list[place]] : [...app.model.entriesOf(list[place], place)]));
      return found.length ? shown(found, [found.length]) : "·";
    };
    write(data, `data ${reach(value)}`);
    if (grad) write(grad, `grad ${reach(gradient)}`);
  }

  function numbers() {
    const { value, gradient, now } = app.now, right = app.model.results(), { steps } = app.data;
    for (const { element, steps: inside, data, grad, shape } of boxes) {
      if (inside.length !== 1) {
        severalIn(inside, data, grad);
        continue;
      }
      const [place] = inside, step = steps[place], known = value[place] !== undefined;
      const origin = originOf(place, value);
      if (shape) write(shape, app.model.shapeOf(place).join("×"));
      const said = known ? app.shown(value[place], place) + (origin && !step.shape.length ? " ⚠" : "") : "·";
      write(data, `data ${said}`);
      const g = gradient[place], off = known && g !== undefined && differs(g, right.gradient[place]) && app.k === app.model.last;
      if (grad) write(grad, `grad ${g === undefined ? "·" : app.shown(g, place)}`);
      element.classList.toggle("off", Boolean(off));
      element.classList.toggle("origin", Boolean(origin));
      element.classList.toggle("now", now?.node === place);
      element.classList.toggle("chosen", app.selected === place);
      element.classList.toggle("unknown", !known);
      element.setAttribute("aria-label", `${step.name}, value ${known ? app.shown(value[place], place) : "not yet"}` +
        (step.moves ? `, gradient ${g === undefined ? "not yet" : app.shown(g, place)}` : ""));
      if (element.getAttribute("role") === "slider") element.setAttribute("aria-valuenow", exact(value[place]));
    }
    const carried = carriedBy();
    const largest = Math.max(0, ...carried.filter(Number.isFinite));
    for (const { element, edges, label, live, path } of arrows) {
      const sizes = edges.map((edge) => carried[edge]).filter((x) => x !== undefined);
      const size = sizes.length ? Math.max(...sizes) : undefined;
      path.style.strokeWidth = size === undefined || !(largest > 0) || !Number.isFinite(size) ? 1.3 : 0.9 + 3.6 * Math.sqrt(size / largest);
      path.style.strokeDasharray = edges.length ? (size === 0 ? "6 4" : "") : "2 3";
      if (live) write(label, local(edges[0], value));
      element.classList.toggle("now", edges.includes(now?.edge) && now?.edge !== undefined);
      element.classList.toggle("forgotten", edges.some((edge) => app.model.forgets(edge)));
    }
  }

  /** Which steps stand on a kink, where a slope is a convention. */
  function kinks() {
    const found = app.model.kinks(), { steps, edges } = app.data;
    for (const { element, steps: [place, more] } of boxes) element.classList.toggle("kink", more === undefined && found.some((kink) => kink.place === place));
    const local = app.model.results().local;
    write(document.getElementById("kinks"), found.map(({ place, below, count }) => {
      const { shown: name, op, shape } = steps[place], edge = edges.findIndex(([step, , x]) => step === place && x === below);
      if (shape.length) return `${count} of the entries of ${name} stand on the kink of ${op}, where the slope is a convention.`;
      return `${name} stands on the kink of ${op}: it has no slope there, and ${format(local[edge], 4)} is taken by convention.`;
    }).join(" "));
  }

  /** A local derivative, once its numbers are known. */
  function local(edge, value) {
    const [step] = app.data.edges[edge], slope = app.model.entriesAlong(app.model.results().local[edge], edge);
    if (value[step] === undefined || slope === undefined) return "·";
    return typeof slope === "number" ? format(slope, 4) : rangeOf(slope);
  }

  function rangeOf(slope) {
    let low = Infinity, high = -Infinity;
    for (const x of slope) {
      low = Math.min(low, x);
      high = Math.max(high, x);
    }
    return low === high ? format(low, 4) : `${format(low, 2)}…${format(high, 2)}`;
  }

  /** How much each edge has handed back so far. */
  function carriedBy() {
    const found = [], back = app.model.backward(), count = app.k - app.model.forwardSteps.length;
    for (let i = 0; i < Math.min(count, app.model.arrivals.length); i++) {
      const share = back.share[i];
      if (share !== undefined) found[app.model.edgeOf(i)] = typeof share === "number" ? Math.abs(share) : share.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    }
    return found;
  }

  /** Whether numbers stop being finite here and lead to others: what goes in still is. What a mask keeps out leads nowhere. */
  function originOf(place, value) {
    if (value[place] === undefined || finite(value[place])) return false;
    const { edges, steps } = app.data;
    if (!steps[place].op && !steps[place].moves && Number.isFinite(app.model.result)) return false;
    return edges.every(([step, , x]) => step !== place || finite(value[x]));
  }

  function now() {
    const { last } = app.model, forward = app.model.forwardSteps.length;
    position.max = last;
    position.value = app.k;
    const happening = app.now.now, { steps } = app.data;
    let text = "before the forward pass";
    if (app.data.recorded) text = `${forward.toLocaleString("en")} steps: the numbers are those that were recorded`;
    else if (app.k === last && last) text = `all ${forward} ${forward === 1 ? "step" : "steps"} forward, ${last - forward} ${last - forward === 1 ? "share" : "shares"} back`;
    else if (happening && app.k <= forward) text = `forward ${app.k} of ${forward}: ${steps[happening.node].shown} = ${steps[happening.node].formula}`;
    else if (happening?.from !== undefined) {
      text = `backward ${app.k - forward} of ${last - forward}: ${steps[happening.from].shown} hands its share to ${steps[happening.node].shown}`;
    }
    write(told, text);
    position.setAttribute("aria-valuetext", text);
  }

  // The node that is looked at.

  function lookedAt() {
    const place = app.selected, step = app.data.steps[place], { value, gradient } = app.now;
    if (fields?.place !== place) buildNode(place, step);
    for (const show of fields.shows) show();
    write(fields.value, value[place] === undefined ? "not yet" : app.shown(value[place], place, 8));
    write(fields.gradient, !step.moves ? "none passes" : gradient[place] === undefined ? "not yet" : app.shown(gradient[place], place, 8));
    fields.links.replaceChildren(...linksOf(place));
    if (fields.heat && value[place] !== undefined) heat(fields.heat, app.model.entriesOf(value[place], place), app.model.shapeOf(place));
  }

  function linksOf(place) {
    const found = [];
    app.data.edges.forEach(([step, , x], edge) => {
      if (step !== place) return;
      const slope = app.model.entriesAlong(app.model.results().local[edge], edge);
      const said = slope === undefined ? "" : ` = ${typeof slope === "number" ? format(slope) : rangeOf(slope)}`;
      found.push(make("li", { "data-edge": edge, tabindex: "0" }, `∂${app.data.steps[step].shown}/∂${app.data.steps[x].shown}${said}`));
    });
    return found;
  }

  function buildNode(place, step) {
    const leaf = app.data.leaves.indexOf(place), size = sizeOf(step.shape);
    fields = { place, shows: [], value: make("span", { class: "number" }), gradient: make("span", { class: "number grad" }), links: make("ul", { class: "links" }) };
    const title = make("h3", {}, step.formula ? `${step.shown} = ${step.formula}` : step.shown);
    const rows = [make("p", {}, "value ", fields.value), make("p", {}, "gradient ", fields.gradient)];
    const given = make("div", { class: "given" });
    if (leaf >= 0 && app.data.live) {
      if (size <= MOST_FIELDS) {
        given.style.setProperty("--columns", step.shape.length ? step.shape.at(-1) : 1);
        for (let at = 0; at < size; at++) {
          const name = entryName(step.name, at, step.shape);
          const one = dial(name, () => app.model.entry(leaf, at), (x) => app.set(step.shape.length ? name : step.name, x));
          fields.shows.push(one.show);
          given.append(one.element);
        }
      } else given.append(entryOf(leaf, step));
    }
    if (size > 1 && step.shape.length <= 2) {
      fields.heat = make("canvas", { class: "heat", role: "img", "aria-label": `The numbers of ${step.name} as shades` });
      fields.heat.addEventListener("click", (event) => {
        const { width, height } = fields.heat.getBoundingClientRect(), { width: columns, height: lines } = fields.heat;
        fields.point?.(Math.floor((event.offsetY / height) * lines) * columns + Math.floor((event.offsetX / width) * columns));
      });
      rows.push(fields.heat);
    }
    node.replaceChildren(title, make("div", { class: "facts" }, ...rows, fields.links), given);
    node.hidden = false;
  }

  /** One entry of a large array. */
  function entryOf(leaf, step) {
    const size = sizeOf(step.shape);
    const which = make("input", { type: "number", min: 0, max: size - 1, value: 0, "aria-label": `which entry of ${step.name}, row after row` });
    const name = () => entryName(step.name, Math.min(Math.max(0, Math.trunc(Number(which.value)) || 0), size - 1), step.shape);
    const at = () => app.placeOf(name()).at;
    const one = dial(`an entry of ${step.name}`, () => app.model.entry(leaf, at()), (x) => app.set(name(), x));
    which.addEventListener("input", () => one.show());
    fields.point = (n) => {
      which.value = n;
      one.show();
    };
    fields.shows.push(one.show);
    return make("label", {}, "entry ", which, " ", one.element);
  }

  /** An array as shades: a row of pixels that makes a square is drawn as an image. */
  function heat(canvas, x, shape) {
    let [rows, columns] = shape.length === 2 ? shape : [1, x.length];
    const side = Math.sqrt(columns);
    if (rows === 1 && columns > 40 && Number.isInteger(side)) [rows, columns] = [side, side];
    canvas.width = columns;
    canvas.height = rows;
    canvas.style.aspectRatio = `${columns} / ${rows}`;
    canvas.style.width = `${Math.min(columns * 18, 340)}px`;
    const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
    const most = x.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 1e-300);
    const above = channels("grad"), below = channels("factor");
    for (let i = 0; i < rows * columns; i++) {
      const v = Number.isFinite(x[i]) ? x[i] / most : 0;
      image.data.set([...(v >= 0 ? above : below), Math.round(255 * Math.abs(v))], 4 * i);
    }
    context.putImageData(image, 0, 0);
  }

  // Time.

  const move = (by) => app.step(app.k + by);
  document.getElementById("first").addEventListener("click", () => app.step(0));
  document.getElementById("back").addEventListener("click", () => move(-1));
  document.getElementById("on").addEventListener("click", () => move(1));
  document.getElementById("end").addEventListener("click", () => app.step(app.model.last));
  position.addEventListener("input", () => app.step(Number(position.value)));
  const play = document.getElementById("play"), icon = play.querySelector("path");
  play.addEventListener("click", () => (playing ? stop() : start()));

  function start() {
    if (app.k >= app.model.last) app.step(0);
    playing = setInterval(() => (app.k >= app.model.last ? stop() : move(1)), 700);
    play.setAttribute("aria-label", "Pause");
    icon.setAttribute("d", "M7 5h3v14H7zM14 5h3v14h-3z");
  }

  function stop() {
    clearInterval(playing);
    playing = null;
    play.setAttribute("aria-label", "Play");
    icon.setAttribute("d", "M8 5l11 7-11 7z");
  }

  new ResizeObserver(() => {
    if (app.data && holder.clientWidth) {
      choose();
      if (app.now) numbers();
    }
  }).observe(holder);

  return {
    open() {
      stop();
      svg = null;
      fields = null;
      choose();
      document.getElementById("graph-notes").replaceChildren(...app.data.notes.map((note) => make("p", {}, note)));
    },
    update() {
      numbers();
      kinks();
      now();
      lookedAt();
    },
    svg: () => svg,
  };
}
