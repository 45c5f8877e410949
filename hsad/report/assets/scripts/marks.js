/* The data of the page, and the marks that a person gives: state, note and class of each anomaly. */
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const A = data.anomalies;
const total = A.id.length;
const STATES = ["pending", "real", "not real", "unsure"];
const KEY = `hsad-review-${data.key}`;
const marks = { state: A.state.slice(), note: A.note.slice(), class: A.class.slice() };
const state = marks.state;
const hasGrades = A.grade.some((word) => word !== null);

function restore() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) || "{}");
    for (let i = 0; i < total; i++) {
      const known = stored[A.id[i]] || {};
      if (STATES.includes(known.state)) state[i] = known.state;
      for (const name of ["note", "class"]) if (typeof known[name] === "string") marks[name][i] = known[name] || null;
    }
  } catch { /* without storage the page works, but loses its marks when it is closed */ }
}
function store() {
  const changed = {};
  for (let i = 0; i < total; i++) {
    const given = {};
    for (const name of Object.keys(marks)) if (marks[name][i] !== A[name][i]) given[name] = marks[name][i] ?? "";
    if (Object.keys(given).length) changed[A.id[i]] = given;
  }
  try { localStorage.setItem(KEY, JSON.stringify(changed)); } catch { /* as in restore */ }
}

/* Numbers as a person reads them: no exponents but for the very small and the very large. */
const short = (v, digits = 4) => (v === null || v === undefined ? "–" : Number(v.toPrecision(digits)).toString());
const share = (v) => (v === null ? "–" : v < 0.005 ? "< .01" : v > 0.995 ? "1" : v.toFixed(2).replace(/^0/, ""));
const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/* What the colour of an outline means, and which anomalies have it. */
const DASHES = { "almost certain": [], likely: [6, 3], possible: [3, 2.5] };
const kindOf = (letter) => data.kinds[letter] || {};
const sizes = new Map();
for (const letter of A.kind) if (letter !== null) sizes.set(letter, (sizes.get(letter) || 0) + 1);
const kindNames = [...sizes.keys()].filter((letter) => sizes.get(letter) > 1 || data.kinds[letter]).sort((a, b) => a.length - b.length || a.localeCompare(b));
const hasKinds = kindNames.length > 0;
const hasChanges = Boolean(A.change);
const kindColor = (letter) => kindOf(letter).color || data.colors.kinds[kindNames.indexOf(letter) % data.colors.kinds.length];
const FURTHER = "no better than background";
const percent = (v) => `≤ ${String(v).replace(/^0/, "")}`;
const LEGENDS = {
  grade: {
    of: (i) => A.grade[i] || (A.further[i] || A.p_false[i] !== null ? FURTHER : "listed"),
    entries: [
      ...data.grades.map(([word, most]) => ({ value: word, text: `${word} (${percent(most)})`, color: data.colors.grades[word], dash: DASHES[word] })),
      { value: "listed", text: "listed; how probable it is that they are real is not known", color: data.colors.found, dash: [] },
      { value: FURTHER, text: FURTHER, color: data.colors.further, dash: [2, 4] },
    ],
  },
  state: { of: (i) => state[i], entries: STATES.map((word) => ({ value: word, text: word, color: data.colors.states[word], dash: [] })) },
  kind: {
    of: (i) => (kindNames.includes(A.kind[i]) ? A.kind[i] : ""),
    entries: [
      ...kindNames.map((letter) => ({
        value: letter, text: `kind ${letter}`, color: kindColor(letter), dash: [],
        words: (n) => `kind ${letter}: ${plural(n, "anomaly", "anomalies")}${kindOf(letter).name ? `, ${kindOf(letter).name}` : ""}`,
      })),
      { value: "", text: "like no other one", color: data.colors.further, dash: [2, 4] },
    ],
  },
};
const legend = () => LEGENDS[$("colour").value];
const entryOf = (i) => { const value = legend().of(i); return legend().entries.find((entry) => entry.value === value); };
