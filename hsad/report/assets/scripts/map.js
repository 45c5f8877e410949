/* The map: the scene, the scores above it, outlines with numbers, and places like the selected anomaly. */
const canvas = $("map"), context = canvas.getContext("2d");
const picture = new Image(), grey = new Image(), scores = document.createElement("canvas");
const view = { x: data.cols / 2, y: data.rows / 2, zoom: 1 };
const NIGHT = "#05070a", EDGE = "rgba(0, 0, 0, .75)";
const MOST_EDGES = 3000, MOST_NUMBERS = 400; // beyond this they take time, and cover each other
let least = 1, waiting = false, values = null;

function paintScores() {
  scores.width = grey.width; scores.height = grey.height;
  const pen = scores.getContext("2d", { willReadFrequently: true });
  pen.drawImage(grey, 0, 0);
  const pixels = pen.getImageData(0, 0, grey.width, grey.height);
  values = new Uint8Array(grey.width * grey.height);
  for (let k = 0; k < values.length; k++) {
    const index = values[k] = pixels.data[4 * k], color = data.palette[index];
    for (let c = 0; c < 3; c++) pixels.data[4 * k + c] = color[c];
    pixels.data[4 * k + 3] = index === 0 ? 0 : 255;
  }
  pen.putImageData(pixels, 0, 0);
  const bar = $("colors").getContext("2d"), { split } = data.scale;
  for (let x = 0; x < 160; x++) { bar.fillStyle = `rgb(${data.palette[split + Math.round(x / 159 * (255 - split))]})`; bar.fillRect(x, 0, 1, 10); }
  $("low").textContent = `${short(data.scale.start, 3)} the list starts`; $("high").textContent = `${short(data.scale.high, 3)} highest`;
}
/* The score that a grey value stands for. */
function scoreOf(index) {
  const { floor, start, high, log, split } = data.scale;
  if (index < split) return floor + (start - floor) * (index - 1) / (split - 1);
  const along = (index - split) / (255 - split);
  return log ? start * (high / start) ** along : start + (high - start) * along;
}
function resize() {
  const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(box.width * ratio); canvas.height = Math.round(box.height * ratio);
  least = Math.min(box.width / data.cols, box.height / data.rows);
  view.zoom = Math.max(view.zoom, least);
  draw();
}
function fit() { view.x = data.cols / 2; view.y = data.rows / 2; view.zoom = least; draw(); }
function bringInto(x, y) {
  const box = canvas.getBoundingClientRect(), halfX = box.width / 2 / view.zoom, halfY = box.height / 2 / view.zoom;
  if (Math.abs(x - view.x) > 0.8 * halfX || Math.abs(y - view.y) > 0.8 * halfY) { view.x = x; view.y = y; }
}
function draw() { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; paint(); }); } }
function place(pen, width, height, x, y, zoom) {
  pen.setTransform(zoom, 0, 0, zoom, width / 2 - x * zoom, height / 2 - y * zoom);
}
function layers(pen, zoom, opacity) {
  pen.imageSmoothingEnabled = zoom * data.step < 1;
  pen.drawImage(picture, 0, 0, picture.width * data.step, picture.height * data.step);
  pen.globalAlpha = opacity;
  if (values && opacity) pen.drawImage(scores, 0, 0, scores.width * data.step, scores.height * data.step);
  pen.globalAlpha = 1;
}
function trace(pen, i) {
  pen.beginPath();
  for (const ring of data.shapes[i]) {
    pen.moveTo(ring[0], ring[1]);
    for (let k = 2; k < ring.length; k += 2) pen.lineTo(ring[k], ring[k + 1]);
    pen.closePath();
  }
}
/* Draws an outline in its colour above a dark edge; `unit` is the length of a screen's pixel on the map. */
function outline(pen, i, unit, width, edge = true) {
  const entry = entryOf(i);
  trace(pen, i);
  if (edge) { pen.setLineDash([]); pen.strokeStyle = EDGE; pen.lineWidth = (width + 2) * unit; pen.stroke(); }
  pen.setLineDash(entry.dash.map((length) => length * unit));
  pen.strokeStyle = entry.color; pen.lineWidth = width * unit; pen.stroke();
  pen.setLineDash([]);
}
/* Writes numbers beside outlines, the first ones first; a number that would cover another one is left out. */
function numbers(pen, visible, zoom, ratio, first) {
  const taken = new Map(), size = 12 * ratio, cell = 60 * ratio;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.font = `bold ${size}px system-ui, "DejaVu Sans", sans-serif`;
  pen.lineJoin = "round"; pen.textBaseline = "middle";
  const ranked = visible.slice().sort((a, b) => (b === first) - (a === first) || a - b).slice(0, MOST_NUMBERS);
  for (const i of ranked) {
    const [, top, right] = data.boxes[i], text = String(A.id[i]);
    const x = pen.canvas.width / 2 + (right - view.x) * zoom + 3 * ratio, y = pen.canvas.height / 2 + (top - view.y) * zoom - 3 * ratio;
    const width = pen.measureText(text).width, spot = [x, y - size / 2, x + width, y + size / 2];
    const keys = [];
    for (let cx = Math.floor(spot[0] / cell); cx <= Math.floor(spot[2] / cell); cx++) for (let cy = Math.floor(spot[1] / cell); cy <= Math.floor(spot[3] / cell); cy++) keys.push(`${cx},${cy}`);
    const near = keys.flatMap((key) => taken.get(key) || []);
    if (near.some((o) => o[0] < spot[2] && o[2] > spot[0] && o[1] < spot[3] && o[3] > spot[1])) continue;
    for (const key of keys) taken.set(key, [...(taken.get(key) || []), spot]);
    pen.strokeStyle = EDGE; pen.lineWidth = 3.5 * ratio; pen.strokeText(text, x, y);
    pen.fillStyle = i === first ? "#ffffff" : entryOf(i).color; pen.fillText(text, x, y);
  }
}
/* Diamonds at the places that `hsad find` names for the kind of the selected anomaly. */
function siblings(pen, unit) {
  if (chosen < 0 || A.kind[chosen] === null || !$("siblings") || !$("siblings").checked) return;
  const reach = Math.max(1.2, 7 * unit);
  for (const { row, col } of kindOf(A.kind[chosen]).more || []) {
    const x = col + 0.5, y = row + 0.5;
    pen.beginPath(); pen.moveTo(x - reach, y); pen.lineTo(x, y - reach); pen.lineTo(x + reach, y); pen.lineTo(x, y + reach); pen.closePath();
    pen.strokeStyle = EDGE; pen.lineWidth = 3.5 * unit; pen.stroke();
    pen.strokeStyle = kindColor(A.kind[chosen]); pen.lineWidth = 1.8 * unit; pen.stroke();
  }
}
function paint() {
  const ratio = window.devicePixelRatio || 1, zoom = view.zoom * ratio, unit = ratio / zoom;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = NIGHT; context.fillRect(0, 0, canvas.width, canvas.height);
  place(context, canvas.width, canvas.height, view.x, view.y, zoom);
  layers(context, view.zoom, $("opacity").value / 100);
  const halfX = canvas.width / 2 / zoom + 4, halfY = canvas.height / 2 / zoom + 4, edge = order.length <= MOST_EDGES;
  const visible = !$("outlines").checked ? [] : order.filter((i) => {
    const [left, top, right, low] = data.boxes[i];
    return right > view.x - halfX && left < view.x + halfX && low > view.y - halfY && top < view.y + halfY;
  });
  for (const i of visible) outline(context, i, unit, i === chosen ? 3 : 1.6, edge);
  siblings(context, unit);
  if (chosen >= 0) {
    const [left, top, right, low] = data.boxes[chosen], reach = Math.hypot(right - left, low - top) / 2 + 7 / view.zoom;
    context.beginPath(); context.arc((left + right) / 2, (top + low) / 2, reach, 0, 7);
    context.strokeStyle = EDGE; context.lineWidth = 4.5 * unit; context.stroke();
    context.strokeStyle = "#ffffff"; context.lineWidth = 2 * unit; context.stroke();
  }
  if ($("outlines").checked) numbers(context, visible, zoom, ratio, chosen);
  scaleBar();
}
function drawLegend() {
  const counts = new Map();
  for (const i of order) { const value = legend().of(i); counts.set(value, (counts.get(value) || 0) + 1); }
  const items = legend().entries.filter((entry) => counts.has(entry.value)).map((entry) => {
    const item = document.createElement("li"), line = document.createElement("i");
    line.style.borderTop = `3px ${entry.dash.length === 0 ? "solid" : entry.dash[0] > 4 ? "dashed" : "dotted"} ${entry.color}`;
    const number = counts.get(entry.value);
    item.append(line, entry.words ? entry.words(number) : `${entry.text}: ${number}`);
    return item;
  });
  $("map-legend").replaceChildren(...items);
}
function scaleBar() {
  const unit = data.metres || 1, wide = 120 / view.zoom * unit, power = 10 ** Math.floor(Math.log10(wide));
  const length = [5, 2, 1].find((m) => m * power <= wide) * power;
  $("scale").firstChild.style.width = `${length / unit * view.zoom}px`;
  $("scale").lastChild.textContent = data.metres
    ? (length >= 1000 ? `${length / 1000} km` : `${length} m`) : plural(length, "pixel");
}
function at(event) {
  const box = canvas.getBoundingClientRect();
  return [view.x + (event.clientX - box.left - box.width / 2) / view.zoom, view.y + (event.clientY - box.top - box.height / 2) / view.zoom];
}
function zoomBy(factor, point = [view.x, view.y]) {
  const zoom = Math.min(64, Math.max(least * 0.8, view.zoom * factor)), change = view.zoom / zoom;
  view.x = point[0] + (view.x - point[0]) * change; view.y = point[1] + (view.y - point[1]) * change;
  view.zoom = zoom; draw();
}
function pan(right, low) { view.x += right * 60 / view.zoom; view.y += low * 60 / view.zoom; draw(); }
function tell(event) {
  const [x, y] = at(event), col = Math.floor(x), row = Math.floor(y);
  if (col < 0 || row < 0 || col >= data.cols || row >= data.rows) { $("cursor").textContent = "\u00a0"; return; }
  let text = `row ${row}, col ${col}`;
  if (data.transform) {
    const [a, b, c, d, e, f] = data.transform;
    text += ` · ${(a * x + b * y + c).toFixed(data.decimals)}, ${(d * x + e * y + f).toFixed(data.decimals)}${data.crs ? ` (${data.crs})` : ""}`;
  }
  if (values) {
    const index = values[Math.floor(row / data.step) * scores.width + Math.floor(col / data.step)];
    text += index === 0 ? " · no score" : ` · score ${index === 1 ? "≤" : "≈"} ${short(scoreOf(index), 3)}${index < data.scale.split ? ", below the list" : ""}`;
  }
  $("cursor").textContent = text;
}
function nearest(x, y) {
  let best = -1, closest = 14 / view.zoom + 2;
  for (const i of order) {
    const [left, top, right, low] = data.boxes[i];
    const away = Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - low)) + 1e-6 * (right - left) * (low - top);
    if (away < closest) { closest = away; best = i; }
  }
  return best;
}
const fingers = new Map();
let moved = 0;
canvas.addEventListener("pointerdown", (e) => { fingers.set(e.pointerId, e); canvas.setPointerCapture(e.pointerId); moved = 0; });
canvas.addEventListener("pointermove", (e) => {
  tell(e);
  const before = fingers.get(e.pointerId);
  if (!before) return;
  if (fingers.size === 2) {
    const other = [...fingers.values()].find((f) => f.pointerId !== e.pointerId);
    const gap = (f) => Math.hypot(f.clientX - other.clientX, f.clientY - other.clientY);
    zoomBy(gap(e) / Math.max(1, gap(before)));
  } else {
    view.x -= (e.clientX - before.clientX) / view.zoom; view.y -= (e.clientY - before.clientY) / view.zoom;
    moved += Math.abs(e.clientX - before.clientX) + Math.abs(e.clientY - before.clientY);
    draw();
  }
  fingers.set(e.pointerId, e);
});
canvas.addEventListener("pointerup", (e) => {
  fingers.delete(e.pointerId);
  if (moved < 5) { const i = nearest(...at(e)); if (i >= 0) select(i, false); }
});
canvas.addEventListener("pointercancel", (e) => fingers.delete(e.pointerId));
canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoomBy(Math.exp(-e.deltaY / 400), at(e)); }, { passive: false });
