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

  /* A list of the values that a property of the rows takes. */
  function choice(rows, valueOf) {
    const select = document.createElement("select");
    const values = ["all", ...new Set(rows.map(valueOf).filter(Boolean))];
    select.append(...values.map((value) => new Option(value, value)));
    return select;
  }

  function filterable(table) {
    const rows = [...table.tBodies[0].rows];
    const outcomeOf = (row) => row.querySelector(".verdict")?.textContent.trim() ?? "";
    const chapterOf = (row) => text(row, 0);

    const words = document.createElement("input");
    words.type = "search";
    const [outcome, chapter] = [choice(rows, outcomeOf), choice(rows, chapterOf)];
    const shown = document.createElement("output");
    const place = `filters of ${location.pathname}`;

    function apply() {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of rows) {
        const content = row.textContent.toLowerCase();
        const fits =
          wanted.every((word) => content.includes(word)) &&
          (outcome.value === "all" || outcomeOf(row) === outcome.value) &&
          (chapter.value === "all" || chapterOf(row) === chapter.value);
        row.hidden = !fits;
        count += fits;
      }
      shown.textContent = `${count} of ${rows.length} claims`;
      const chosen = [words.value, outcome.value, chapter.value];
      sessionStorage.setItem(place, JSON.stringify(chosen));
    }

    function set(chosen) {
      [words.value, outcome.value, chapter.value] = chosen;
      for (const select of [outcome, chapter]) {
        if (select.selectedIndex < 0) select.value = "all"; // of a former build
      }
      apply();
    }

    /* An address of a claim shows it, whatever was filtered before. */
    function reveal() {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      const row = target?.closest("tr");
      if (!row?.hidden) return;
      set(["", "all", "all"]);
      row.scrollIntoView({ block: "center" });
    }

    words.addEventListener("input", apply);
    outcome.addEventListener("change", apply);
    chapter.addEventListener("change", apply);
    window.addEventListener("hashchange", reveal);
    const controls = document.createElement("form");
    controls.className = "claims-controls";
    controls.setAttribute("aria-label", "Filter the claims");
    controls.addEventListener("submit", (event) => event.preventDefault());
    controls.append(labelled("Words in the row", words), labelled("Outcome", outcome));
    if (chapter.options.length > 2) controls.append(labelled("Chapter", chapter));
    controls.append(shown);
    (table.closest(".pst-scrollable-table-container") ?? table).before(controls);
    set(JSON.parse(sessionStorage.getItem(place)) ?? ["", "all", "all"]);
    if (performance.getEntriesByType("navigation")[0]?.type !== "reload") reveal();
  }

  /* A chapter's own table of claims is written by pandas: its outcomes get their colours here. */
  function colourOutcomes() {
    for (const table of document.querySelectorAll('[id$="-claims"] table.dataframe')) {
      const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
      const column = heads.indexOf("outcome");
      for (const row of column < 0 ? [] : table.tBodies[0].rows) {
        const mark = document.createElement("span");
        mark.textContent = text(row, column);
        mark.className = `verdict ${mark.textContent.split(" ")[0]}`;
        row.cells[column].replaceChildren(mark);
      }
    }
  }

  /* What scrolls sideways must be reachable without a mouse. */
  function reachable() {
    const boxes =
      ".table-body, .text_html, .pst-scrollable-table-container, .scrolls, div.math mjx-container";
    for (const box of document.querySelectorAll(`.bd-article :is(${boxes})`)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      box.classList.toggle("table-scrolls", scrolls && box.querySelector("table.dataframe") !== null);
      if (scrolls) {
        box.tabIndex = 0;
        box.setAttribute("role", "region");
        const kinds = { "mjx-container": "Equation", ".scrolls": "Figure", "*": "Table" };
        const what = kinds[Object.keys(kinds).find((kind) => box.matches(kind))];
        box.setAttribute("aria-label", `${what}, scrolls sideways`);
      } else if (box.getAttribute("role") === "region") {
        for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
      }
    }
  }

  /* Tables of numbers are set right, tables with sentences left; words may wrap. */
  function fitTables() {
    const letters = /[a-z]{3}/i;
    for (const table of document.querySelectorAll("table.dataframe")) {
      const cells = [...table.querySelectorAll("tbody :is(td, th)")];
      const long = cells.some((cell) => cell.matches("td") && cell.textContent.length > 40);
      table.classList.toggle("has-sentences", long);
      for (const cell of cells) {
        const text = cell.textContent;
        cell.classList.toggle("words", text.length > 14 && letters.test(text));
      }
      const box = table.parentElement;
      table.classList.toggle("tight", box.scrollWidth > box.clientWidth + 1);
    }
  }

  /* A click on a figure shows it as large as the window. */
  function enlargeable() {
    const dialog = document.createElement("dialog");
    dialog.className = "enlarged";
    dialog.setAttribute("aria-label", "Figure, enlarged");
    const close = document.createElement("button");
    close.textContent = "Close";
    dialog.addEventListener("click", () => dialog.close());
    document.body.append(dialog);
    for (const image of document.querySelectorAll(".bd-article :is(figure, .cell_output) img")) {
      const [box, button] = [document.createElement("div"), document.createElement("button")];
      box.className = "scrolls";
      button.className = "enlarge";
      button.type = "button";
      button.title = "Enlarge this figure";
      image.replaceWith(box);
      box.append(button);
      button.append(image);
      button.addEventListener("click", () => {
        dialog.replaceChildren(close, image.cloneNode());
        dialog.showModal();
      });
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
    colourOutcomes();
    fitTables();
    enlargeable();
    reachable();
    window.addEventListener("resize", reachable);
    window.addEventListener("load", () => {
      reachable();
      window.MathJax?.startup?.promise?.then(reachable);
    });
  });
})();
