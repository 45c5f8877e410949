"use strict";
/* The review page: a map on a canvas, a list that draws only visible rows, marks in localStorage. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const A = data.anomalies;
  const total = A.id.length;
  const ROW = 30;
  const STATES = ["pending", "real", "not real", "unsure"];
  const KEY = `hsad-review-${data.key}`;
  const state = A.state.slice();
  let order = [...A.id.keys()];
  let chosen = -1;

  /* ---- marks ---- */
  function restore() {
    try {
      const marks = JSON.parse(localStorage.getItem(KEY) || "{}");
      for (let i = 0; i < total; i++) if (STATES.includes(marks[A.id[i]])) state[i] = marks[A.id[i]];
    } catch { /* without storage the page works, but loses its marks when it is closed */ }
  }
  function store() {
    const marks = {};
    for (let i = 0; i < total; i++) if (state[i] !== A.state[i]) marks[A.id[i]] = state[i];
    try { localStorage.setItem(KEY, JSON.stringify(marks)); } catch { /* as in restore */ }
  }

  /* ---- numbers ---- */
  const short = (v, digits = 4) => (v === null || v === undefined ? "–" : Number(v.toPrecision(digits)).toString());
  const tiny = (v) => (v === null ? "–" : v < 0.001 ? v.toExponential(1) : v.toFixed(3));

  /* ---- list ---- */
  const rows = $("rows"), space = $("space");
  function arrange() {
    const sort = $("sort").value, wanted = $("state").value;
    const least = parseFloat($("least-score").value), size = parseFloat($("least-size").value), p = parseFloat($("most-p").value);
    order = [];
    for (let i = 0; i < total; i++) {
      if (wanted && state[i] !== wanted) continue;
      if (A.score_max[i] < least || A.n_pixels[i] < size || (A.p_value[i] !== null && A.p_value[i] > p)) continue;
      order.push(i);
    }
    const rank = Object.fromEntries(STATES.map((word, n) => [word, n]));
    const by = {
      score_max: (a, b) => A.score_max[b] - A.score_max[a],
      n_pixels: (a, b) => A.n_pixels[b] - A.n_pixels[a],
      p_value: (a, b) => (A.p_value[a] ?? 2) - (A.p_value[b] ?? 2),
      state: (a, b) => rank[state[a]] - rank[state[b]],
    }[sort];
    order.sort((a, b) => by(a, b) || a - b);
    space.style.height = `${order.length * ROW}px`;
    count();
    drawRows();
  }
  function count() {
    const marked = state.filter((s) => s !== "pending").length;
    $("count").textContent = `${order.length} of ${total} anomalies, ${marked} marked`;
  }
  function drawRows() {
    const first = Math.max(0, Math.floor(rows.scrollTop / ROW) - 4);
    const last = Math.min(order.length, first + Math.ceil(rows.clientHeight / ROW) + 9);
    const shown = document.createDocumentFragment();
    for (let n = first; n < last; n++) {
      const i = order[n], row = document.createElement("div");
      row.className = "row";
      row.id = `row-${A.id[i]}`;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(i === chosen));
      row.setAttribute("aria-posinset", String(n + 1));
      row.setAttribute("aria-setsize", String(order.length));
      row.style.top = `${n * ROW}px`;
      const cells = [A.id[i], short(A.score_max[i]), A.n_pixels[i], tiny(A.p_value[i]), short(A.expected_false[i], 3), state[i]];
      for (const text of cells) {
        const cell = document.createElement("span");
        cell.textContent = String(text);
        row.append(cell);
      }
      row.lastChild.className = `state-${state[i].replace(" ", "-")}`;
      row.addEventListener("click", () => select(i));
      shown.append(row);
    }
    space.replaceChildren(shown);
    rows.setAttribute("aria-activedescendant", chosen >= 0 ? `row-${A.id[chosen]}` : "");
  }
  function reveal(n) {
    const top = n * ROW;
    if (top < rows.scrollTop) rows.scrollTop = top;
    else if (top + ROW > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + ROW - rows.clientHeight;
  }
  function step(by) {
    if (!order.length) return;
    const here = order.indexOf(chosen);
    select(order[Math.min(order.length - 1, Math.max(0, here < 0 ? 0 : here + by))]);
  }
  function mark(what) {
    if (chosen < 0) return;
    const here = order.indexOf(chosen), was = A.id[chosen];
    state[chosen] = what;
    store();
    const next = order[here + 1];
    if ($("state").value || $("sort").value === "state") arrange(); else count();
    if (next !== undefined && next !== chosen) select(next); else select(chosen);
    $("live").textContent = `Anomaly ${was} marked ${what}. ${$("live").textContent}`;
  }
  function select(i, move = true) {
    chosen = i;
    const n = order.indexOf(i);
    if (n >= 0) reveal(n);
    drawRows();
    detail(i);
    if (move) bringInto(A.col[i] + 0.5, A.row[i] + 0.5);
    draw();
    $("live").textContent = `Anomaly ${A.id[i]}, score ${short(A.score_max[i])}, ${A.n_pixels[i]} pixels, ${state[i]}`;
  }

  /* ---- map ---- */
  const canvas = $("map"), context = canvas.getContext("2d");
  const picture = new Image(), grey = new Image(), scores = document.createElement("canvas");
  const view = { x: data.cols / 2, y: data.rows / 2, zoom: 1 };
  let least = 1, waiting = false, values = null;
  const colorOf = (index) => data.palette[Math.min(255, index)];
  function paintScores() {
    scores.width = grey.width; scores.height = grey.height;
    const pen = scores.getContext("2d", { willReadFrequently: true });
    pen.drawImage(grey, 0, 0);
    const pixels = pen.getImageData(0, 0, grey.width, grey.height);
    values = new Uint8Array(grey.width * grey.height);
    for (let k = 0; k < values.length; k++) {
      const index = values[k] = pixels.data[4 * k], color = colorOf(index);
      pixels.data[4 * k] = color[0]; pixels.data[4 * k + 1] = color[1]; pixels.data[4 * k + 2] = color[2];
      pixels.data[4 * k + 3] = index === 0 ? 0 : 60 + Math.round(index / 255 * 195); // low scores are transparent
    }
    pen.putImageData(pixels, 0, 0);
    const bar = $("colors").getContext("2d");
    for (let x = 0; x < 160; x++) { bar.fillStyle = `rgb(${colorOf(1 + Math.round(x / 159 * 254))})`; bar.fillRect(x, 0, 1, 10); }
    $("low").textContent = short(data.low, 3); $("high").textContent = short(data.high, 3);
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
    if (values) pen.drawImage(scores, 0, 0, scores.width * data.step, scores.height * data.step);
    pen.globalAlpha = 1;
  }
  function outline(pen, i) {
    pen.beginPath();
    for (const ring of data.shapes[i]) {
      pen.moveTo(ring[0], ring[1]);
      for (let k = 2; k < ring.length; k += 2) pen.lineTo(ring[k], ring[k + 1]);
      pen.closePath();
    }
    pen.stroke();
  }
  function paint() {
    const ratio = window.devicePixelRatio || 1, zoom = view.zoom * ratio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#05070a"; context.fillRect(0, 0, canvas.width, canvas.height);
    place(context, canvas.width, canvas.height, view.x, view.y, zoom);
    layers(context, view.zoom, $("opacity").value / 100);
    if ($("outlines").checked) {
      const halfX = canvas.width / 2 / zoom + 40, halfY = canvas.height / 2 / zoom + 40;
      for (const [i] of order.entries()) {
        const a = order[i];
        if (Math.abs(A.col[a] - view.x) > halfX || Math.abs(A.row[a] - view.y) > halfY) continue;
        context.strokeStyle = data.colors[state[a]];
        context.lineWidth = (a === chosen ? 3 : 1.4) * ratio / zoom;
        outline(context, a);
      }
    }
    if (chosen >= 0) {
      context.strokeStyle = "#ffffff"; context.lineWidth = 2 * ratio / zoom;
      const reach = Math.max(6, Math.sqrt(A.n_pixels[chosen])) + 6 / view.zoom;
      context.beginPath(); context.arc(A.col[chosen] + 0.5, A.row[chosen] + 0.5, reach, 0, 7); context.stroke();
    }
    scaleBar();
  }
  function scaleBar() {
    const unit = data.metres || 1, wide = 120 / view.zoom * unit, power = 10 ** Math.floor(Math.log10(wide));
    const length = [5, 2, 1].find((m) => m * power <= wide) * power;
    $("scale").firstChild.style.width = `${length / unit * view.zoom}px`;
    $("scale").lastChild.textContent = data.metres
      ? (length >= 1000 ? `${length / 1000} km` : `${length} m`) : `${length} pixel${length === 1 ? "" : "s"}`;
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
  function tell(event) {
    const [x, y] = at(event), col = Math.floor(x), row = Math.floor(y);
    if (col < 0 || row < 0 || col >= data.cols || row >= data.rows) { $("cursor").textContent = "\u00a0"; return; }
    let text = `row ${row}, col ${col}`;
    if (data.transform) {
      const [a, b, c, d, e, f] = data.transform;
      text += ` · ${(a * x + b * y + c).toFixed(data.decimals)}, ${(d * x + e * y + f).toFixed(data.decimals)}${data.crs ? ` (${data.crs})` : ""}`;
    }
    if (values) {
      const index = values[Math.floor(row / data.step) * scores.width + Math.floor(col / data.step)], share = (index - 1) / 254;
      const value = data.log ? data.low * (data.high / data.low) ** share : data.low + (data.high - data.low) * share;
      text += index === 0 ? " · no score" : ` · score ${index === 1 ? "≤ " : index === 255 ? "≥ " : "≈ "}${short(value, 3)}`;
    }
    $("cursor").textContent = text;
  }
  function nearest(x, y) {
    let best = -1, least2 = (14 / view.zoom + 2) ** 2;
    for (const i of order) {
      const reach = Math.sqrt(A.n_pixels[i]) / 2, away = Math.max(0, Math.hypot(A.col[i] + 0.5 - x, A.row[i] + 0.5 - y) - reach);
      if (away * away < least2) { least2 = away * away; best = i; }
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

  /* ---- the selected anomaly ---- */
  const NS = "http://www.w3.org/2000/svg";
  function element(parent, name, attributes, text) {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  }
  function ticks(low, high, wanted) {
    const rough = (high - low) / wanted || 1, power = 10 ** Math.floor(Math.log10(rough));
    const size = [1, 2, 5, 10].find((m) => m * power >= rough) * power, found = [];
    for (let v = Math.ceil(low / size) * size; v <= high + size * 1e-9; v += size) found.push(Number(v.toPrecision(12)));
    return found;
  }
  /* Draws axes; returns the functions from a wavelength and from a value to the drawing. */
  function axes(svg, low, high, labelled) {
    svg.replaceChildren();
    const width = svg.clientWidth || 600, height = svg.clientHeight || 200, left = 58, bottom = labelled ? 34 : 8;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const from = Math.min(...data.axis), to = Math.max(...data.axis);
    const x = (v) => left + (v - from) / (to - from || 1) * (width - left - 8);
    const y = (v) => 6 + (high - v) / (high - low || 1) * (height - bottom - 6);
    for (const [start, stop] of data.shaded) {
      if (start >= to || stop <= from) continue;
      const a = x(Math.max(start, from));
      element(svg, "rect", { x: a, y: 6, width: x(Math.min(stop, to)) - a, height: height - bottom - 6, fill: "currentColor", opacity: 0.09 });
    }
    for (const v of ticks(low, high, 4)) {
      element(svg, "line", { x1: left, x2: width - 8, y1: y(v), y2: y(v), stroke: "currentColor", opacity: 0.12 });
      element(svg, "text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, short(v, 4));
    }
    if (labelled) {
      for (const v of ticks(from, to, Math.max(3, width / 110))) element(svg, "text", { x: x(v), y: height - 18, "text-anchor": "middle" }, short(v, 5));
      element(svg, "text", { x: (left + width) / 2, y: height - 3, "text-anchor": "middle" }, data.axis_name);
    }
    return { x, y };
  }
  function path(points, { x, y }) {
    let text = "";
    points.forEach((v, k) => { if (v !== null) text += `${text && !data.breaks.includes(k) && points[k - 1] !== null ? "L" : "M"}${x(data.axis[k]).toFixed(1)} ${y(v).toFixed(1)}`; });
    return text;
  }
  function range(lists) {
    const all = lists.flat().filter((v) => v !== null);
    const low = Math.min(...all), high = Math.max(...all), room = (high - low || 1) * 0.05;
    return [low - room, high + room];
  }
  function spectra(i) {
    const known = data.spectra[A.id[i]], svg = $("spectrum"), parts = $("parts"), reason = data.reasons[A.id[i]];
    svg.replaceChildren(); parts.replaceChildren();
    $("legend").hidden = !known;
    parts.style.display = reason && reason.parts ? "block" : "none";
    if (!known) { element(svg, "text", { x: 10, y: 20 }, "The page holds spectra of the highest anomalies only: hsad explain shows this one."); return; }
    const upper = known.b.map((v, k) => (v === null ? null : v + known.d[k])), lower = known.b.map((v, k) => (v === null ? null : v - known.d[k]));
    const made = reason && reason.made ? [reason.made] : [];
    const drawn = axes(svg, ...range([known.s, upper, lower, ...made]), !(reason && reason.parts));
    const pieces = [0, ...data.breaks, known.b.length];
    for (let n = 0; n + 1 < pieces.length; n++) {
      const inside = [...known.b.keys()].slice(pieces[n], pieces[n + 1]).filter((k) => known.b[k] !== null);
      const point = (list) => (k) => `${drawn.x(data.axis[k]).toFixed(1)},${drawn.y(list[k]).toFixed(1)}`;
      element(svg, "polygon", { points: [...inside.map(point(upper)), ...inside.reverse().map(point(lower))].join(" "), fill: "var(--ring)", opacity: 0.18 });
    }
    const line = (points, color, dash) => element(svg, "path", { d: path(points, drawn), fill: "none", stroke: color, "stroke-width": 1.8, "stroke-dasharray": dash });
    line(known.b, "var(--ring)", "5 3");
    for (const points of made) line(points, "var(--real)", "2 3");
    line(known.s, "var(--own)", "none");
    const shaded = data.shaded.length ? "· grey: water vapour, and bands left out" : "";
    $("gap").textContent = `${made.length ? "· dotted: what the background makes of it " : ""}${shaded}`;
    if (!(reason && reason.parts)) return;
    const bars = axes(parts, ...range([reason.parts, [0]]), true), wide = Math.max(1, Math.abs(bars.x(data.axis[1] ?? 1) - bars.x(data.axis[0])) * 0.8);
    reason.parts.forEach((v, k) => element(parts, "rect", { x: bars.x(data.axis[k]) - wide / 2, width: wide, y: Math.min(bars.y(v), bars.y(0)), height: Math.abs(bars.y(v) - bars.y(0)), fill: v >= 0 ? "var(--own)" : "var(--ring)" }));
  }
  function closeUp(i) {
    const small = $("close"), pen = small.getContext("2d"), side = Math.max(25, 3 * Math.sqrt(A.n_pixels[i])), zoom = small.width / side;
    pen.setTransform(1, 0, 0, 1, 0, 0); pen.fillStyle = "#05070a"; pen.fillRect(0, 0, small.width, small.height);
    place(pen, small.width, small.height, A.col[i] + 0.5, A.row[i] + 0.5, zoom);
    layers(pen, 10, 0);
    pen.strokeStyle = data.colors[state[i]]; pen.lineWidth = 2 / zoom;
    outline(pen, i);
  }
  function detail(i) {
    $("name").textContent = `Anomaly ${A.id[i]} · ${state[i]}`;
    const area = A.area_m2[i] === null ? "" : ` (${short(A.area_m2[i], 3)} m²)`;
    const where = A.lon[i] === null ? "" : ` · ${A.lat[i].toFixed(data.degree_decimals)}°, ${A.lon[i].toFixed(data.degree_decimals)}°`;
    const rank = A.id[i], byChance = A.expected_false[i];
    const false_ = byChance === null ? "" : ` · among the ${rank} highest, about ${short(byChance, 2)} expected by chance${byChance >= rank ? ": not distinguishable from background" : ""}`;
    $("facts").textContent = `score ${short(A.score_max[i])}, mean ${short(A.score_mean[i])} · ${A.n_pixels[i]} pixel${A.n_pixels[i] === 1 ? "" : "s"}${area} · row ${A.row[i]}, col ${A.col[i]}${where} · p ${tiny(A.p_value[i])}${false_}${A.extent[i] === "region" ? " · a region rather than an object" : ""}`;
    const reason = data.reasons[A.id[i]];
    $("reason").textContent = reason ? reason.text : "";
    closeUp(i);
    spectra(i);
  }

  /* ---- downloads ---- */
  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 5000);
  }
  const record = (i) => Object.fromEntries(data.columns.map((name) => [name, name === "state" ? state[i] : A[name][i]]));
  function geojson() {
    const features = [...A.id.keys()].map((i) => ({ type: "Feature", id: A.id[i], geometry: data.outlines[i], properties: record(i) }));
    save(`${data.name}-reviewed.geojson`, "application/geo+json", JSON.stringify({ type: "FeatureCollection", name: "anomalies", ...data.coordinates, features }));
  }
  function csv() {
    // Spreadsheets read a text as a formula when it begins with = + - @ (also in full width), after blanks or tabs, too.
    const formula = /^[\s\0]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/;
    const cell = (v) => (v === null ? "" : typeof v === "number" ? String(v) : `"${String(v).replace(formula, "'$&").replaceAll('"', '""')}"`);
    const lines = [data.columns.join(",")];
    for (let i = 0; i < total; i++) lines.push(Object.values(record(i)).map(cell).join(","));
    save(`${data.name}-reviewed.csv`, "text/csv", `${lines.join("\r\n")}\r\n`);
  }

  /* ---- keys and buttons ---- */
  const actions = { j: () => step(1), k: () => step(-1), r: () => mark("real"), n: () => mark("not real"), u: () => mark("unsure"), p: () => mark("pending"), "?": () => $("keys").showModal() };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || $("keys").open || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) && e.target.type !== "checkbox" && e.target.type !== "range") return;
    const action = actions[e.key.toLowerCase()] || (e.target === rows && { ArrowDown: actions.j, ArrowUp: actions.k }[e.key]) || null;
    if (action) { e.preventDefault(); action(); }
  });
  for (const [id, key] of [["real", "r"], ["not-real", "n"], ["unsure", "u"], ["pending", "p"], ["help", "?"]]) $(id).addEventListener("click", actions[key]);
  $("close-keys").addEventListener("click", () => $("keys").close());
  $("csv").addEventListener("click", csv);
  $("geojson").addEventListener("click", geojson);
  $("zoom-in").addEventListener("click", () => zoomBy(1.5));
  $("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
  $("fit").addEventListener("click", fit);
  for (const id of ["sort", "state", "least-score", "least-size", "most-p"]) $(id).addEventListener("input", () => { arrange(); draw(); });
  for (const id of ["opacity", "outlines"]) $(id).addEventListener("input", draw);
  rows.addEventListener("scroll", drawRows);
  window.addEventListener("resize", () => { resize(); drawRows(); if (chosen >= 0) spectra(chosen); });

  restore();
  arrange();
  picture.onload = grey.onload = () => { if (grey.complete && grey.width) paintScores(); if (chosen >= 0) closeUp(chosen); draw(); };
  picture.src = data.picture;
  grey.src = data.grey;
  resize();
  fit();
  if (total) select(order[0], false);
})();
