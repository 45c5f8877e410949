/* The list: it draws only the rows that are visible, so that thousands of anomalies stay fast. */
const ROW = 30;
const rows = $("rows"), space = $("space");
let order = [];
let chosen = -1;
let sortedBy = "id", furtherShown = data.listed === 0;

/* The columns: name, what a tooltip says, text, and the order when it is sorted by. */
const up = (values) => (a, b) => (values[a] ?? Infinity) - (values[b] ?? Infinity);
const down = (values) => (a, b) => (values[b] ?? -Infinity) - (values[a] ?? -Infinity);
const words = data.grades.map(([word]) => word);
const COLUMNS = [
  { key: "id", name: "#", width: "28px", title: "Rank by score; 1 is the highest. The same number stands on the map.", text: (i) => A.id[i], by: up(A.id) },
  { key: "score_max", name: "score", width: "minmax(42px, 1fr)", title: `Highest score of its pixels. The list starts at ${short(data.scale.start, 3)}.`, text: (i) => short(A.score_max[i]), by: down(A.score_max) },
  { key: "grade", name: "grade", width: "minmax(100px, 1.6fr)", title: `In words, how probable it is that this is background: ${data.grades.map(([word, most]) => `${word} ${percent(most)}`).join(", ")}.`, text: (i) => A.grade[i] || "–", by: up(A.grade.map((word) => (word === null ? 9 : words.indexOf(word)))), only: hasGrades },
  { key: "p_false", name: "p false", width: "minmax(44px, .9fr)", title: "Probability that this anomaly is background, from 0 to 1.", text: (i) => share(A.p_false[i]), by: up(A.p_false), only: A.p_false.some((v) => v !== null) },
  { key: "p_value", name: "p", width: "minmax(46px, .9fr)", title: "Share of background that reaches this score.", text: (i) => share(A.p_value[i]), by: up(A.p_value), only: !A.p_false.some((v) => v !== null) },
  { key: "change", name: "change", width: "minmax(96px, 1.5fr)", title: "What the change is: something appeared or disappeared between the dates, or was altered.", text: (i) => A.change[i] ?? "–", by: (a, b) => (A.change[a] ?? "~").localeCompare(A.change[b] ?? "~"), only: hasChanges },
  { key: "n_pixels", name: "pixels", width: "minmax(40px, .8fr)", title: "Number of pixels at or above the lowest score of the list.", text: (i) => A.n_pixels[i], by: down(A.n_pixels), less: hasKinds },
  { key: "expected_false", name: "false", width: "minmax(42px, .8fr)", title: "Expected number of false ones from the first row down to this one.", text: (i) => short(A.expected_false[i], 2), by: up(A.expected_false), less: true },
  { key: "kind", name: "kind", width: "34px", title: "Anomalies with one letter have alike spectra.", text: (i) => A.kind[i] ?? "–", by: (a, b) => (A.kind[a] ?? "~").localeCompare(A.kind[b] ?? "~"), only: hasKinds },
  { key: "state", name: "state", width: "minmax(52px, 1fr)", title: "Your mark: real, not real, unsure; pending until you give one.", text: (i) => state[i], by: (a, b) => STATES.indexOf(state[a]) - STATES.indexOf(state[b]) },
].filter((column) => column.only !== false);

function head() {
  const bar = $("head");
  for (const column of COLUMNS) {
    const button = document.createElement("button");
    button.textContent = column.name;
    button.title = column.title;
    button.dataset.key = column.key;
    if (column.less) button.className = "less";
    button.addEventListener("click", () => sortBy(column.key));
    bar.append(button);
    const term = document.createElement("dt"), meaning = document.createElement("dd");
    term.textContent = column.name; meaning.textContent = column.title;
    $("columns").append(term, meaning);
  }
  const all = COLUMNS.map((column) => column.width).join(" ");
  const few = COLUMNS.filter((column) => !column.less).map((column) => column.width).join(" ");
  document.querySelector(".list").style.cssText = `--all: ${all}; --few: ${few}`;
}
function arrange() {
  const wanted = $("state").value, grade = $("grade").value, kind = $("kind").value;
  const least = parseFloat($("least-score").value), size = parseFloat($("least-size").value), p = parseFloat($("most-p").value);
  const chance = (i) => A.p_false[i] ?? A.p_value[i];
  order = [];
  for (let i = 0; i < total; i++) {
    if (A.further[i] && !furtherShown) continue;
    if (wanted && state[i] !== wanted || grade && A.grade[i] !== grade || kind && A.kind[i] !== kind) continue;
    if (A.score_max[i] < least || A.n_pixels[i] < size || (chance(i) !== null && chance(i) > p)) continue;
    order.push(i);
  }
  const { by } = COLUMNS.find((column) => column.key === sortedBy);
  order.sort((a, b) => by(a, b) || a - b);
  for (const button of $("head").children) button.setAttribute("aria-pressed", String(button.dataset.key === sortedBy));
  const top = rows.scrollTop;
  space.style.height = `${order.length * ROW}px`;
  rows.scrollTop = top;
  count();
  drawRows();
  drawLegend();
}
function sortBy(key) { sortedBy = key; arrange(); draw(); }
function count() {
  const marked = state.filter((word) => word !== "pending").length;
  const many = total - data.listed;
  const shown = order.filter((i) => !A.further[i]).length, below = order.length - shown;
  const told = [
    data.listed || !many ? `${shown === data.listed ? "" : `${shown} of `}${plural(data.listed, "anomaly", "anomalies")}` : "",
    below ? plural(below, "candidate") : "",
    marked ? `${marked} marked` : "",
  ];
  $("count").textContent = told.filter((part) => part).join(", ");
  $("further").hidden = many === 0;
  $("further").setAttribute("aria-expanded", String(furtherShown));
  $("further").textContent = `${furtherShown ? "▾" : "▸"} ${plural(many, "further candidate")}, no better than background`;
  $("empty").hidden = order.length > 0;
  $("empty").textContent = total ? "No anomaly passes these filters." : "There is no anomaly to list.";
}
function drawRows() {
  const first = Math.max(0, Math.floor(rows.scrollTop / ROW) - 4);
  const last = Math.min(order.length, first + Math.ceil(rows.clientHeight / ROW) + 9);
  const shown = document.createDocumentFragment();
  for (let n = first; n < last; n++) {
    const i = order[n], row = document.createElement("div");
    row.className = A.further[i] ? "row weak" : "row";
    row.id = `row-${A.id[i]}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(i === chosen));
    row.setAttribute("aria-posinset", String(n + 1));
    row.setAttribute("aria-setsize", String(order.length));
    row.style.top = `${n * ROW}px`;
    for (const column of COLUMNS) {
      const cell = document.createElement("span");
      cell.textContent = String(column.text(i));
      if (column.less) cell.className = "less";
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
  const here = order.indexOf(chosen), was = called(chosen);
  state[chosen] = what;
  store();
  const next = order[here + 1];
  if ($("state").value || sortedBy === "state") arrange(); else { count(); drawLegend(); }
  if (next !== undefined && next !== chosen) select(next); else select(chosen);
  say(`${was} marked ${what}. ${$("live").textContent}`);
}
function markKind(letter, what) {
  let changed = 0;
  for (let i = 0; i < total; i++) if (A.kind[i] === letter) { state[i] = what; changed++; }
  store();
  arrange(); detail(chosen); draw();
  say(`${plural(changed, "anomaly", "anomalies")} of kind ${letter} marked ${what}.`);
}
const called = (i) => `${A.further[i] ? "Candidate" : "Anomaly"} ${A.id[i]}`;
const say = (text) => { $("live").textContent = text; };
function select(i, move = true) {
  chosen = i;
  const n = order.indexOf(i);
  if (n >= 0) reveal(n);
  drawRows();
  detail(i);
  if (move) bringInto(A.col[i] + 0.5, A.row[i] + 0.5);
  draw();
  say(`${called(i)}, ${A.grade[i] ? `${A.grade[i]}, ` : ""}score ${short(A.score_max[i])}, ${plural(A.n_pixels[i], "pixel")}, ${state[i]}`);
}
