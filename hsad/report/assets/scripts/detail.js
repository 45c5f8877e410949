/* The selected anomaly: facts, surroundings, spectrum and background, parts of the score, and anomalies like it. */
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
/* Draws axes; returns the functions from a wavelength and from a value to the drawing, and the part for lines. */
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
  const clip = element(svg, "clipPath", { id: `${svg.id}-clip` });
  element(clip, "rect", { x: left, y: 6, width: width - left - 8, height: height - bottom - 6 });
  return { x, y, lines: element(svg, "g", { "clip-path": `url(#${svg.id}-clip)` }) };
}
/* The pieces of a line: it is broken where bands are left out, and where the next spectrometer begins. */
function pieces() {
  const ends = [0, ...data.breaks, data.axis.length];
  return ends.slice(0, -1).map((start, n) => [...Array(ends[n + 1] - start).keys()].map((k) => k + start));
}
function path(points, { x, y }) {
  return pieces().map((bands) => bands.filter((k) => points[k] !== null)
    .map((k, n) => `${n && points[k - 1] !== null ? "L" : "M"}${x(data.axis[k]).toFixed(1)} ${y(points[k]).toFixed(1)}`).join("")).join("");
}
function spectra(i) {
  const known = data.spectra[A.id[i]], svg = $("spectrum"), parts = $("parts"), reason = data.reasons[A.id[i]];
  svg.replaceChildren(); parts.replaceChildren();
  $("legend").hidden = !known;
  parts.style.display = reason && reason.parts ? "block" : "none";
  if (!known) { element(svg, "text", { x: 10, y: 20 }, "The page holds spectra of the highest anomalies only: hsad explain shows this one."); return; }
  const upper = known.b.map((v, k) => (v === null ? null : v + known.d[k])), lower = known.b.map((v, k) => (v === null ? null : v - known.d[k]));
  const made = reason && reason.made ? [reason.made] : [];
  const [low, high] = known.limits;
  const drawn = axes(svg, low, high, !(reason && reason.parts));
  for (const bands of pieces()) {
    const inside = bands.filter((k) => known.b[k] !== null), point = (list) => (k) => `${drawn.x(data.axis[k]).toFixed(1)},${drawn.y(list[k]).toFixed(1)}`;
    element(drawn.lines, "polygon", { points: [...inside.map(point(upper)), ...inside.reverse().map(point(lower))].join(" "), fill: "var(--ring)", opacity: 0.18 });
  }
  const line = (points, color, dash) => element(drawn.lines, "path", { d: path(points, drawn), fill: "none", stroke: color, "stroke-width": 1.8, "stroke-dasharray": dash });
  line(known.b, "var(--ring)", "5 3");
  for (const points of made) line(points, "var(--real)", "2 3");
  line(known.s, "var(--own)", "none");
  const cut = known.s.filter((v) => v !== null && (v < low || v > high)).length;
  const notes = [
    made.length ? "dotted: what the background makes of it" : "",
    data.shaded.length ? "grey: water vapour, and bands left out" : "",
    data.overlap ? "two lines where two spectrometers overlap" : "",
    cut ? `${plural(cut, "band")} of the anomaly beyond the axis` : "",
  ];
  $("gap").textContent = notes.filter((note) => note).map((note) => `· ${note}`).join(" ");
  if (!(reason && reason.parts)) return;
  const steps = data.axis.slice(1).map((v, k) => Math.abs(v - data.axis[k])).sort((a, b) => a - b);
  const lowest = Math.min(0, ...reason.parts), highest = Math.max(0, ...reason.parts), room = (highest - lowest || 1) * 0.05;
  const bars = axes(parts, lowest - room, highest + room, true), from = Math.min(...data.axis);
  const wide = Math.max(1, Math.abs(bars.x(from + (steps[steps.length >> 1] ?? 1)) - bars.x(from)) * 0.8);
  reason.parts.forEach((v, k) => element(bars.lines, "rect", { x: bars.x(data.axis[k]) - wide / 2, width: wide, y: Math.min(bars.y(v), bars.y(0)), height: Math.abs(bars.y(v) - bars.y(0)), fill: v >= 0 ? "var(--own)" : "var(--ring)" }));
}
function closeUp(small, i) {
  const pen = small.getContext("2d"), [left, top, right, low] = data.boxes[i];
  const side = Math.max(25, 1.5 * (right - left), 1.5 * (low - top)), zoom = small.width / side;
  pen.setTransform(1, 0, 0, 1, 0, 0); pen.fillStyle = NIGHT; pen.fillRect(0, 0, small.width, small.height);
  place(pen, small.width, small.height, (left + right) / 2, (top + low) / 2, zoom);
  layers(pen, 10, 0);
  outline(pen, i, 1 / zoom, 2);
}
/* How sure it is, in words: the grade with its probability, or what is known instead. */
function certainty(i) {
  if (A.p_false[i] === null) return A.further[i] ? FURTHER : "";
  const chance = `background with probability ${share(A.p_false[i])}`;
  return A.grade[i] ? `${A.grade[i]}: ${chance}` : `${FURTHER}: ${chance}`;
}
function facts(i) {
  const area = A.area_m2[i] === null ? "" : ` (${short(A.area_m2[i], 3)} m²)`;
  const parts = [
    certainty(i),
    A.change && A.change[i] ? `${A.change[i]} between the dates` : "",
    `score ${short(A.score_max[i])}, mean ${short(A.score_mean[i])}`,
    `${plural(A.n_pixels[i], "pixel")}${area}${A.extent[i] === "region" ? ", a region rather than an object" : ""}`,
    `row ${A.row[i]}, col ${A.col[i]}`,
    A.lon[i] === null ? "" : `${A.lat[i].toFixed(data.degree_decimals)}°, ${A.lon[i].toFixed(data.degree_decimals)}°`,
  ];
  return parts.filter((part) => part).join(" · ");
}
const reasonOf = (i) => A.reason[i] || "";
function alike(i) {
  const letter = A.kind[i], box = $("alike");
  box.replaceChildren();
  if (!kindNames.includes(letter)) return;
  const { name, more, expected_false: wrong, members } = kindOf(letter);
  const many = members ? members.length : A.kind.filter((other) => other === letter).length;
  const put = (tag, text, attributes = {}) => { const made = document.createElement(tag); Object.assign(made, attributes); made.textContent = text; box.append(made); return made; };
  put("span", `Kind ${letter}${name ? `, ${name}` : ""}: ${plural(many, "anomaly", "anomalies")} of the list.`);
  if (more && more.length) {
    const label = put("label", ""), tick = document.createElement("input");
    Object.assign(tick, { type: "checkbox", id: "siblings", checked: true });
    tick.addEventListener("input", draw);
    label.append(tick, `${more.length} more like it${wrong === null || wrong === undefined ? "" : wrong < 0.5 ? " (probably none false)" : ` (about ${Math.round(wrong)} false)`}, diamonds on the map`);
  }
  if (many < 2) return;
  put("span", `Mark all ${many}:`);
  for (const word of STATES.slice(1)) put("button", word).addEventListener("click", () => markKind(letter, word));
}
function detail(i) {
  if (i < 0) return;
  $("name").textContent = `${called(i)} · ${state[i]}`;
  $("facts").textContent = facts(i);
  $("reason").textContent = (data.reasons[A.id[i]] || {}).text || reasonOf(i);
  for (const name of ["note", "class"]) { $(`own-${name}`).value = marks[name][i] ?? ""; $(`own-${name}`).disabled = false; }
  alike(i);
  closeUp($("close"), i);
  spectra(i);
}
/* What a person types beside a mark. */
function typed(name) {
  if (chosen < 0) return;
  marks[name][chosen] = $(`own-${name}`).value.trim() || null;
  store();
  if (name === "class") classes();
}
/* The classes that were typed so far are offered again. */
function classes() {
  const known = [...new Set(marks.class.filter((text) => text))].sort();
  $("classes").replaceChildren(...known.map((text) => Object.assign(document.createElement("option"), { value: text })));
}
