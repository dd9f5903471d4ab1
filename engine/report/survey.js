"use strict";
// Search, narrow down and order the table of clips. Without this script the table is whole and in the order of the files.

const form = document.querySelector("form"), body = document.querySelector(".clips tbody");
const rows = [...body.rows], words = rows.map(row => row.textContent.toLowerCase());

function show() {
  const wanted = form.elements.words.value.toLowerCase().trim(), use = form.elements.use.value;
  let shown = 0;
  rows.forEach((row, n) => {
    row.hidden = !((!use || row.className === use) && words[n].includes(wanted));
    shown += !row.hidden;
  });
  form.querySelector("output").value = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
}

// a cell has its number in data-n; one without is put in order by its text
const value = (row, column) => {
  const cell = row.cells[column];
  return "n" in cell.dataset ? Number(cell.dataset.n) : cell.textContent;
};

function order(head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const keyed = rows.map(row => [value(row, head.cellIndex), row]);
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  keyed.sort(([a], [b]) => (typeof a === "number" ? a - b : compare(a, b)) * (down ? -1 : 1));
  body.append(...keyed.map(([, row]) => row));
}

for (const head of document.querySelectorAll(".clips thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  button.addEventListener("click", () => order(head));
  head.append(button);
}
let waiting;
form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(show, 100);
});
form.addEventListener("submit", event => event.preventDefault());
form.reset();
form.hidden = false;
show();
