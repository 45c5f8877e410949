/* Keys, buttons, and the first picture. */
const actions = {
  j: () => step(1), k: () => step(-1), "?": () => $("keys").showModal(),
  r: () => mark("real"), n: () => mark("not real"), u: () => mark("unsure"), p: () => mark("pending"),
};
const listKeys = { ArrowDown: actions.j, ArrowUp: actions.k, Home: () => step(-total), End: () => step(total), PageDown: () => step(10), PageUp: () => step(-10) };
const mapKeys = {
  ArrowLeft: () => pan(-1, 0), ArrowRight: () => pan(1, 0), ArrowUp: () => pan(0, -1), ArrowDown: () => pan(0, 1),
  "+": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), 0: fit,
};
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || $("keys").open || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) && e.target.type !== "checkbox" && e.target.type !== "range") return;
  const action = e.target === rows && listKeys[e.key] || e.target === canvas && mapKeys[e.key] || actions[e.key.toLowerCase()];
  if (action) { e.preventDefault(); action(); }
});
for (const [id, key] of [["real", "r"], ["not-real", "n"], ["unsure", "u"], ["pending", "p"], ["help", "?"]]) $(id).addEventListener("click", actions[key]);
$("close-keys").addEventListener("click", () => $("keys").close());
$("csv").addEventListener("click", csv);
$("geojson").addEventListener("click", geojson);
$("print-page").addEventListener("click", () => window.print());
$("zoom-in").addEventListener("click", () => zoomBy(1.5));
$("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
$("fit").addEventListener("click", fit);
$("further").addEventListener("click", () => { furtherShown = !furtherShown; arrange(); draw(); });
for (const id of ["state", "grade", "kind", "least-score", "least-size", "most-p"]) $(id).addEventListener("input", () => { arrange(); draw(); });
$("outlines").addEventListener("input", draw);
$("colour").addEventListener("input", () => { drawLegend(); draw(); if (chosen >= 0) closeUp($("close"), chosen); });
$("opacity").addEventListener("input", () => { $("bar").hidden = $("opacity").value === "0"; draw(); });
for (const name of ["note", "class"]) $(`own-${name}`).addEventListener("change", () => typed(name));
rows.addEventListener("scroll", drawRows);
window.addEventListener("resize", () => { resize(); drawRows(); if (chosen >= 0) spectra(chosen); });

for (const [id, shown] of [["grade", hasGrades], ["kind", hasKinds]]) {
  $(id).parentElement.hidden = !shown;
  $("colour").querySelector(`[value="${id}"]`).hidden = id === "kind" && !shown;
}
for (const letter of kindNames) $("kind").append(new Option(letter, letter));
for (const word of words) $("grade").append(new Option(word, word));
head();
restore();
classes();
arrange();
picture.onload = grey.onload = () => { if (grey.complete && grey.width) paintScores(); if (chosen >= 0) closeUp($("close"), chosen); draw(); };
picture.src = data.picture;
grey.src = data.grey;
resize();
fit();
if (order.length) select(order[0], false);
