/* Sorting and filtering of the table of claims, and keyboard access to tables that scroll.
   No library, no network. */
"use strict";

(() => {
  const number = /^-?\d+(\.\d+)?/;

  function compare(a, b) {
    const [x, y] = [a.match(number), b.match(number)];
    if (x && y && Number(x[0]) !== Number(y[0])) return Number(x[0]) - Number(y[0]);
    return a.localeCompare(b, "en", { numeric: true, sensitivity: "base" });
  }

  function text(row, column) {
    return row.cells[column].textContent.trim();
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent.trim();
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", other === head ? order : "none"));
        const sign = order === "ascending" ? 1 : -1;
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => sign * compare(text(a, column), text(b, column)));
        rows.forEach((row, place) => {
          row.classList.toggle("row-even", place % 2 === 1);
          row.classList.toggle("row-odd", place % 2 === 0);
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  function labelled(caption, control) {
    const label = document.createElement("label");
    label.append(caption, control);
    return label;
  }

  function filterable(table) {
    const rows = [...table.tBodies[0].rows];
    const verdictOf = (row) => row.querySelector(".verdict")?.textContent.trim() ?? "";

    const words = document.createElement("input");
    words.type = "search";
    const verdict = document.createElement("select");
    const choices = ["all", ...new Set(rows.map(verdictOf).filter(Boolean))];
    verdict.append(...choices.map((choice) => new Option(choice, choice)));
    const shown = document.createElement("output");

    function apply() {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of rows) {
        const content = row.textContent.toLowerCase();
        const fits =
          wanted.every((word) => content.includes(word)) &&
          (verdict.value === "all" || verdictOf(row) === verdict.value);
        row.hidden = !fits;
        count += fits;
      }
      shown.textContent = `${count} of ${rows.length} claims`;
    }

    words.addEventListener("input", apply);
    verdict.addEventListener("change", apply);
    const controls = document.createElement("form");
    controls.className = "claims-controls";
    controls.setAttribute("aria-label", "Filter the claims");
    controls.addEventListener("submit", (event) => event.preventDefault());
    controls.append(labelled("Words in the row", words), labelled("Verdict", verdict), shown);
    (table.closest(".pst-scrollable-table-container") ?? table).before(controls);
    apply();
  }

  /* What scrolls sideways must be reachable without a mouse. */
  function reachable() {
    const boxes = ".table-body, .text_html, .pst-scrollable-table-container, div.math mjx-container";
    for (const box of document.querySelectorAll(`.bd-article :is(${boxes})`)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      if (scrolls) {
        box.tabIndex = 0;
        box.setAttribute("role", "region");
        const what = box.matches("mjx-container") ? "Equation" : "Table";
        box.setAttribute("aria-label", `${what}, scrolls sideways`);
      } else if (box.getAttribute("role") === "region") {
        for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
      }
    }
  }

  /* Tables of numbers are set right, tables with sentences left. */
  function alignSentences() {
    for (const table of document.querySelectorAll("table.dataframe")) {
      const long = [...table.querySelectorAll("td")].some((cell) => cell.textContent.length > 40);
      table.classList.toggle("has-sentences", long);
    }
  }

  /* A click saves the notebook under its name, whatever type the server gives it. */
  function downloadable() {
    for (const link of document.querySelectorAll("a.btn-download-source-button[href$='.ipynb']")) {
      link.download = "";
      link.title = "Download this chapter's notebook";
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    downloadable();
    for (const table of document.querySelectorAll("table.claims")) {
      sortable(table);
      filterable(table);
    }
    alignSentences();
    reachable();
    window.addEventListener("resize", reachable);
    window.addEventListener("load", () => {
      reachable();
      window.MathJax?.startup?.promise?.then(reachable);
    });
  });
})();
