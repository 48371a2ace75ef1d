// Drawing an area on the map: clicks fill the fields of the form, which says what is sent. Without this the fields do it alone.
const SVG = "http://www.w3.org/2000/svg";
const METRES = 111320;
const box = document.querySelector("[data-draw]");
const form = document.querySelector("form[data-shape]");
const map = box.querySelector("svg");
const sketch = map.querySelector(".sketch");
const view = Object.fromEntries(["longitude", "latitude", "across", "down"].map((name) => [name, Number(box.dataset[name])]));
const { width, height } = map.viewBox.baseVal;
const field = (name) => form.elements[name];
const kind = () => form.elements.kind.value;
let frame = [0, 0, width, height];

const toDegrees = (x, y) => [view.latitude - (y - height / 2) / view.down, ((view.longitude + (x - width / 2) / view.across + 540) % 360) - 180];
const toUnits = (latitude, longitude) => [width / 2 + (((longitude - view.longitude + 540) % 360) - 180) * view.across, height / 2 - (latitude - view.latitude) * view.down];
const points = () => field("points").value.split("\n").map((line) => line.split(",").map(Number)).filter((pair) => pair.length === 2 && pair.every(Number.isFinite));

function drawn(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  sketch.append(element);
}

function draw() {
  sketch.replaceChildren();
  const dot = frame[2] / 180;
  if (kind() === "Circle" && field("latitude").value !== "" && field("longitude").value !== "") {
    const [x, y] = toUnits(Number(field("latitude").value), Number(field("longitude").value));
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    drawn("circle", { class: "limit", cx: x, cy: y, r: (Number(field("radius").value) || 0) / METRES * view.down });
    drawn("circle", { class: "corner", cx: x, cy: y, r: dot });
  } else if (kind() === "Polygon") {
    const corners = points().map(([latitude, longitude]) => toUnits(latitude, longitude));
    if (corners.length > 1) drawn("polygon", { class: "limit", points: corners.map((corner) => corner.join(",")).join(" ") });
    for (const [x, y] of corners) drawn("circle", { class: "corner", cx: x, cy: y, r: dot });
  }
}

function shown() {
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== kind();
  for (const hint of document.querySelectorAll("[data-hint]")) hint.hidden = hint.dataset.hint !== kind();
  draw();
}

function at(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
  return [point.x, point.y];
}

let centre = null;
function click(event) {
  const [latitude, longitude] = toDegrees(...at(event));
  if (Math.abs(latitude) > 90) return;
  if (kind() === "Circle" && centre === null) {
    centre = [latitude, longitude];
    field("latitude").value = latitude.toFixed(5);
    field("longitude").value = longitude.toFixed(5);
  } else if (kind() === "Circle") {
    const [[x, y], [a, b]] = [toUnits(...centre), at(event)];
    field("radius").value = Math.min(200000, Math.max(1, Math.round(Math.hypot(a - x, b - y) / view.down * METRES)));
    centre = null;
  } else if (kind() === "Polygon") {
    const before = field("points").value.trimEnd();
    field("points").value = `${before}${before && "\n"}${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
  }
  draw();
}

function framed(x, y, w) {
  const wide = Math.min(width * 8, Math.max(width / 4096, w));
  frame = [x, y, wide, wide * height / width];
  map.setAttribute("viewBox", frame.join(" "));
  draw();
}

function zoom(times, [x, y]) {
  framed(x - (x - frame[0]) * times, y - (y - frame[1]) * times, frame[2] * times);
}

let drag = null;
map.addEventListener("pointerdown", (event) => { drag = { at: at(event), x: event.clientX, y: event.clientY, moved: false }; });
map.addEventListener("pointermove", (event) => {
  if (!drag || Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 4 && !drag.moved) return;
  drag.moved = true;
  const [x, y] = at(event);
  framed(frame[0] + drag.at[0] - x, frame[1] + drag.at[1] - y, frame[2]);
});
map.addEventListener("pointerup", (event) => { if (drag && !drag.moved) click(event); drag = null; });
map.addEventListener("pointerleave", () => { drag = null; });
map.addEventListener("click", (event) => event.preventDefault());
map.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY < 0 ? 0.8 : 1.25, at(event)); }, { passive: false });
for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", () => zoom(button.dataset.zoom === "in" ? 0.5 : 2, [frame[0] + frame[2] / 2, frame[1] + frame[3] / 2]));
}
document.querySelector("[data-undo]").addEventListener("click", () => {
  if (kind() === "Polygon") field("points").value = field("points").value.trimEnd().split("\n").slice(0, -1).join("\n");
  else for (const name of ["latitude", "longitude", "radius"]) field(name).value = "";
  centre = null;
  draw();
});
// What the server drew of the form stands for browsers without scripts.
for (const element of map.querySelectorAll(":scope > .limit")) element.remove();
form.addEventListener("input", shown);
shown();
