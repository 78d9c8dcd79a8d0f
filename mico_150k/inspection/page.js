"use strict";
// What the page does: filter, highlight inputs, show images larger, keys. It reads and sets
// attributes and text, and never makes HTML of a text.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);
const search = one("#search"), viewer = one("#viewer"), help = one("#help");
const rows = all(".row").map((element) => ({
  element,
  task: element.dataset.task,
  split: element.dataset.split,
  kinds: element.dataset.kinds.split(" "),
  text: ["header", ".instruction"].map((part) => one(part, element).textContent).join(" ")
    .toLowerCase().replace(/\s+/g, " "),
}));
const skipped = all(".skipped tbody tr");

// On a phone, the rows come first.
if (matchMedia("(max-width: 560px)").matches) one(".stats").open = false;

// ---- filter and search
const pressed = (name) =>
  all(`.chip[data-${name}][aria-pressed="true"]`).map((chip) => chip.dataset[name]);

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const tasks = pressed("task"), splits = pressed("split"), kinds = pressed("kind");
  let shown = 0;
  for (const row of rows) {
    const fits = (!tasks.length || tasks.includes(row.task)) &&
      (!splits.length || splits.includes(row.split)) &&
      (!kinds.length || kinds.some((kind) => row.kinds.includes(kind))) &&
      words.every((word) => row.text.includes(word));
    row.element.hidden = !fits;
    shown += fits;
  }
  for (const row of skipped) {
    const text = row.textContent.toLowerCase();
    row.hidden = (tasks.length && !tasks.includes(row.dataset.task)) ||
      !words.every((word) => text.includes(word));
  }
  one("#count").textContent =
    `${shown === rows.length ? "" : `${shown} of `}${rows.length} row${rows.length === 1 ? "" : "s"}`;
  one("#nothing").hidden = shown > 0;
  mark(words);
}

// The words that were searched for, marked without touching the text.
function mark(words) {
  if (!window.CSS || !CSS.highlights) return;
  CSS.highlights.delete("found");
  if (!words.length) return;
  const ranges = [];
  for (const row of rows.filter(({ element }) => !element.hidden)) {
    const walker = document.createTreeWalker(one(".instruction", row.element), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node.data.toLowerCase();
      if (text.length !== node.data.length) continue;
      for (const word of words) {
        for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
          const range = new Range();
          range.setStart(node, at);
          range.setEnd(node, at + word.length);
          ranges.push(range);
        }
      }
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

search.addEventListener("input", filter);
for (const chip of all(".chip[aria-pressed]")) {
  chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
    filter();
  });
}
one("#reset").addEventListener("click", () => {
  search.value = "";
  for (const chip of all(".chip[aria-pressed]")) chip.setAttribute("aria-pressed", "false");
  filter();
});

// ---- "image 2" and the second input light up together
let pinned = null;

// A reference speaks of one input or, as "images 2 to 4", of some.
const imagesOf = (that) => (that.dataset.images ?? that.dataset.image).split(" ");

function light(row, images = []) {
  for (const lit of all(".lit, .lighting")) lit.classList.remove("lit", "lighting");
  for (const image of images) {
    for (const that of all(`.inputs [data-image="${image}"], .ref[data-images~="${image}"]`, row)) {
      that.classList.add("lit");
      row.classList.add("lighting");
    }
  }
}

const lightable = (event) => event.target.closest?.(".ref[data-images], .inputs .tile");
const lightThat = (that) => light(that.closest(".row"), imagesOf(that));
const unlight = () => (pinned ? lightThat(pinned) : light());

for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const that = lightable(event);
    if (that && event.pointerType !== "touch") lightThat(that);
  });
}
for (const kind of ["pointerout", "focusout"]) {
  document.addEventListener(kind, (event) => { if (lightable(event)) unlight(); });
}
document.addEventListener("click", (event) => {
  const ref = event.target.closest(".ref[data-images]");
  if (ref) {
    event.preventDefault();
    pinned = pinned === ref ? null : ref;
    unlight();
    one(`.inputs [data-image="${imagesOf(ref)[0]}"]`, ref.closest(".row"))
      .scrollIntoView({ block: "nearest", inline: "center" });
  } else if (pinned) {
    pinned = null;
    light();
  }
});

// ---- an image, larger
let gallery = [], place = 0;

function show(at) {
  place = (at + gallery.length) % gallery.length;
  const image = gallery[place];
  const tile = image.closest(".tile"), row = image.closest(".row");
  const name = tile.dataset.image ? `image ${tile.dataset.image}` : "output";
  one("img", viewer).src = image.src;
  one("img", viewer).alt = image.alt;
  one("figcaption", viewer).textContent =
    `${one(".id", row).textContent} · ${name} · ${one(".caption", tile).textContent} · ${tile.dataset.digest}`;
}

function open(image) {
  gallery = all(".tile img", image.closest(".row"));
  show(gallery.indexOf(image));
  if (!viewer.open) viewer.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".open");
  if (button) open(one("img", button));
});
one(".back", viewer).addEventListener("click", () => show(place - 1));
one(".on", viewer).addEventListener("click", () => show(place + 1));
for (const dialog of [viewer, help]) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest(".close")) dialog.close();
  });
}
one("#keys").addEventListener("click", () => help.showModal());

// ---- an id, copied
document.addEventListener("click", async (event) => {
  const id = event.target.closest(".id");
  if (!id) return;
  try {
    await navigator.clipboard.writeText(id.textContent);
    id.classList.add("copied");
    setTimeout(() => id.classList.remove("copied"), 1200);
  } catch {
    getSelection().selectAllChildren(id);
  }
});

// ---- keys
let current = null;

const shownRows = () => rows.map(({ element }) => element).filter((element) => !element.hidden);
// Keys begin at what is on the screen, below the bar.
const firstInView = (shown) =>
  shown.find((row) => row.getBoundingClientRect().bottom > one(".bar").offsetHeight + 40);

function choose(row) {
  current?.classList.remove("current");
  current = row;
  current?.classList.add("current");
}

document.addEventListener("focusin", (event) => {
  const row = event.target.closest(".row");
  if (row) choose(row);
});

function go(step) {
  const shown = shownRows();
  if (!shown.length) return;
  const at = shown.indexOf(current);
  choose(at < 0
    ? firstInView(shown) ?? shown.at(-1)
    : shown[Math.min(shown.length - 1, Math.max(0, at + step))]);
  current.focus({ preventScroll: true });
  current.scrollIntoView({ block: "start" });
}

const KEYS = {
  "/": () => search.focus(),
  j: () => go(1),
  k: () => go(-1),
  ArrowRight: () => go(1),
  ArrowLeft: () => go(-1),
  "?": () => help.showModal(),
  Enter: () => { if (current) { const image = one(".output img", current); if (image) open(image); } },
  Escape: () => { pinned = null; light(); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (viewer.open) {
    const step = { ArrowLeft: -1, ArrowRight: 1, k: -1, j: 1 }[event.key];
    if (step) { event.preventDefault(); show(place + step); }
    return;
  }
  if (help.open) return;
  if (event.target.matches("input")) {
    if (event.key === "Escape") { search.value = ""; filter(); search.blur(); }
    if (event.key === "Enter") { search.blur(); choose(shownRows()[0]); go(0); }
    return;
  }
  if (event.key === "Enter" && event.target.matches("button, a, summary")) return;
  if (/^[0-9]$/.test(event.key)) {
    const row = current && !current.hidden ? current : firstInView(shownRows());
    pinned = row ? one(`.inputs [data-image="${event.key === "0" ? 10 : event.key}"]`, row) : null;
    unlight();
    return;
  }
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});
