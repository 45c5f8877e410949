/* Downloads. */
function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 5000);
}
const record = (i) => Object.fromEntries(data.columns.map((name) => [name, name in marks ? marks[name][i] : A[name][i]]));
/* A mark on a candidate is saved in the table; the GeoPackage, which the GeoJSON is for, holds the list only. */
const everyListed = () => [...A.id.keys()].filter((i) => !A.further[i]);
function geojson() {
  const features = everyListed().map((i) => ({ type: "Feature", id: A.id[i], geometry: data.outlines[i], properties: record(i) }));
  save(`${data.name}-reviewed.geojson`, "application/geo+json", JSON.stringify({ type: "FeatureCollection", name: "anomalies", ...data.coordinates, features }));
}
function csv() {
  // Spreadsheets read a text as a formula when it begins with = + - @ (also in full width), after blanks or tabs, too.
  const formula = /^[\s\0]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/;
  const cell = (v) => (v === null ? "" : typeof v === "number" ? String(v) : `"${String(v).replace(formula, "'$&").replaceAll('"', '""')}"`);
  const lines = [data.columns.join(",")];
  for (let i = 0; i < total; i++) if (!A.further[i] || state[i] !== "pending") lines.push(Object.values(record(i)).map(cell).join(","));
  save(`${data.name}-reviewed.csv`, "text/csv", `${lines.join("\r\n")}\r\n`);
}
