/* What is printed: the whole scene with numbers, and every anomaly of the list. It is made when printing begins. */
const MOST_CLOSE_UPS = 200;
const printed = () => (data.listed ? everyListed() : [...A.id.keys()]);
const PRINTED = COLUMNS.filter((column) => column.key !== "expected_false");
function image(width, height, alt, paintOn) {
  const sheet = document.createElement("canvas"), made = new Image();
  sheet.width = width; sheet.height = height;
  paintOn(sheet);
  made.src = sheet.toDataURL("image/jpeg", 0.9); made.alt = alt;
  return made;
}
function printedMap() {
  const zoom = Math.min(1400 / data.cols, 1400 / data.rows), all = printed();
  return image(Math.round(data.cols * zoom), Math.round(data.rows * zoom), "The scene with the anomalies of the list", (sheet) => {
    const pen = sheet.getContext("2d"), shown = { ...view };
    Object.assign(view, { x: data.cols / 2, y: data.rows / 2 });
    place(pen, sheet.width, sheet.height, view.x, view.y, zoom);
    layers(pen, zoom, 0);
    for (const i of all) outline(pen, i, 2 / zoom, 1.6);
    numbers(pen, all, zoom, 2, -1);
    Object.assign(view, shown);
  });
}
function printedTable() {
  const table = document.createElement("table"), headRow = table.createTHead().insertRow(), body = table.createTBody();
  for (const name of ["", ...PRINTED.map((column) => column.name), "why, class and note"]) headRow.append(Object.assign(document.createElement("th"), { textContent: name }));
  printed().forEach((i, n) => {
    const row = body.insertRow(), small = row.insertCell();
    if (n < MOST_CLOSE_UPS) small.append(image(96, 96, `Anomaly ${A.id[i]}`, (sheet) => closeUp(sheet, i)));
    for (const column of PRINTED) row.insertCell().textContent = String(column.text(i));
    const where = A.lon[i] === null ? `row ${A.row[i]}, col ${A.col[i]}` : `${A.lat[i].toFixed(data.degree_decimals)}°, ${A.lon[i].toFixed(data.degree_decimals)}°`;
    row.insertCell().textContent = [where, reasonOf(i), marks.class[i], marks.note[i]].filter((text) => text).join(" · ");
  });
  return table;
}
window.addEventListener("beforeprint", () => {
  $("about").open = true;
  const key = Object.assign(document.createElement("ul"), { className: "words" });
  key.append(...[...$("map-legend").children].map((item) => item.cloneNode(true)));
  $("print").replaceChildren(printedMap(), key, printedTable());
});
window.addEventListener("afterprint", () => { $("print").replaceChildren(); $("about").open = false; });
