"use strict";
{
  const by = (id) => document.getElementById(id);
  const cards = [...document.querySelectorAll("article")];
  const orders = {
    rank: (a, b) => a.dataset.rank - b.dataset.rank,
    count: (a, b) => b.dataset.count - a.dataset.count || a.dataset.rank - b.dataset.rank,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
    // Scenes without a time come last.
    acquired: (a, b) => !a.dataset.acquired - !b.dataset.acquired || a.dataset.acquired.localeCompare(b.dataset.acquired),
  };
  const show = () => {
    by("cards").append(...cards.sort(orders[by("sort").value]));
    const wanted = by("name").value.trim().toLowerCase();
    let shown = 0;
    for (const card of cards) {
      card.hidden = !card.dataset.name.toLowerCase().includes(wanted) || (by("found").checked && card.dataset.count === "0");
      shown += !card.hidden;
    }
    by("shown").textContent = shown === cards.length ? "" : `${shown} of ${cards.length} shown`;
  };
  for (const id of ["sort", "name", "found"]) by(id).addEventListener("input", show);
  by("bar").hidden = false;
  show();
}
