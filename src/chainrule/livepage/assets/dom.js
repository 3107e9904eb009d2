// Elements, and a number that can be dragged, typed and stepped.

import { exact, format, parse, turned, typed } from "chainrule/numbers";

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; texts are never read as HTML. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  put(element, attributes, children);
  return element;
}

/** The same of SVG. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  put(element, attributes, children);
  return element;
}

function put(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
}

/** Set a text only where it differs, so that an idle page does nothing. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Options of a menu. */
export function options(select, list, chosen) {
  select.replaceChildren(...list.map(([value, text]) => make("option", { value }, text)));
  select.value = String(chosen);
}

/** Buttons of which one is pressed; they stay while there are the same to choose from, and so does a keyboard's place. */
export function choices(holder, list, chosen, choose) {
  const there = [...holder.children].map((button) => button.textContent);
  if (there.length !== list.length || list.some(([, text], n) => text !== there[n])) {
    holder.replaceChildren(...list.map(([, text]) => make("button", { type: "button" }, text)));
  }
  for (const [n, [value]] of list.entries()) {
    holder.children[n].setAttribute("aria-pressed", String(value === chosen));
    holder.children[n].onclick = () => choose(value);
  }
}

/**
 * A field that holds a number: drag it sideways, type, or use the arrow keys.
 * `get` gives the number, `set` takes a new one.
 */
export function dial(label, get, set) {
  const input = make("input", {
    class: "dial", type: "text", role: "spinbutton", "aria-label": label, autocomplete: "off", spellcheck: "false",
  });
  let held = null;
  const show = () => {
    const x = get();
    if (document.activeElement !== input || held) input.value = typed(x);
    input.setAttribute("aria-valuenow", exact(x));
    input.setAttribute("aria-valuetext", format(x));
  };
  const take = () => {
    const found = parse(input.value);
    input.toggleAttribute("aria-invalid", !found.ok);
    if (found.ok) set(found.value);
  };
  input.addEventListener("change", take);
  input.addEventListener("focus", () => {
    input.value = exact(get());
    input.select();
  });
  input.addEventListener("blur", () => show());
  input.addEventListener("keydown", (event) => {
    const turns = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (turns) {
      event.preventDefault();
      set(turned(get(), turns, event.shiftKey));
      input.value = exact(get());
    } else if (event.key === "Enter") take();
    event.stopPropagation();
  });
  draggable(input, get, set, (moved) => {
    held = moved;
    input.classList.toggle("held", moved);
  });
  show();
  return { element: input, show };
}

/** Dragging sideways turns a number; a press without a move is left to the element. */
export function draggable(element, get, set, held = () => {}) {
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || document.activeElement === element) return;
    const x = get(), from = event.clientX;
    let moved = false;
    if (element.tagName === "INPUT") event.preventDefault();
    element.setPointerCapture(event.pointerId);
    const move = (now) => {
      const turns = Math.round((now.clientX - from) / 4);
      if (!moved && Math.abs(now.clientX - from) < 4) return;
      moved = true;
      held(true);
      set(turned(x, turns, now.shiftKey));
    };
    const up = () => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", up);
      element.removeEventListener("pointercancel", up);
      held(false);
      element.dataset.moved = moved ? "yes" : "";
      if (!moved && element.tagName === "INPUT") {
        element.focus();
      }
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", up);
    element.addEventListener("pointercancel", up);
  });
}

/** A line of points as the data of a path; what is no number leaves a gap. */
export function pathOf(points) {
  let pen = "M";
  return points.map(([x, y]) => {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      pen = "M";
      return "";
    }
    const part = `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
    return part;
  }).join("");
}

const colours = new Map();

/** A colour of the page, looked up once for each theme. */
export function colour(name) {
  if (!colours.has(name)) colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return colours.get(name);
}

/** The same as its red, green and blue. */
export function channels(name) {
  return [1, 3, 5].map((i) => parseInt(colour(name).slice(i, i + 2), 16));
}

/** The theme is another: colours are looked up anew. */
export function repainted() {
  colours.clear();
}

const sizes = new WeakMap();
const sizer = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) sizes.set(target, contentRect);
});

/** The size of a canvas, measured when it changes alone: to ask for it lays the page out. */
function sizeNow(canvas) {
  if (!sizes.has(canvas)) sizer.observe(canvas);
  if (!sizes.get(canvas)?.width) sizes.set(canvas, canvas.getBoundingClientRect());
  return sizes.get(canvas);
}

/** A canvas as sharp as the screen; gives its context in CSS pixels. */
export function sharp(canvas) {
  const { width, height } = sizeNow(canvas), ratio = Math.min(window.devicePixelRatio || 1, 2);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
