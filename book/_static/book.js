/* Sorting and filtering of the table of claims, tables that fit, figures that can be enlarged.
   No library, no network. */
"use strict";

(() => {
  const number = /^-?\d+(\.\d+)?/;
  const [letters, spread] = [/[a-z]{3}/i, /\([^\s()]*\)|± \S+/g];
  const phone = matchMedia("screen and (max-width: 40rem)");
  const cards = 'table:is(.claims, .methods, .beside, [id$="-claims"] *)'; // whatever they hold

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
    const marked = (row, mark) => row.querySelector(mark)?.textContent.trim() ?? "";
    const properties = {
      Outcome: (row) => marked(row, ".verdict"),
      Chapter: (row) => text(row, 0),
      Data: (row) => marked(row, ".data"),
    };

    const words = document.createElement("input");
    words.type = "search";
    const selects = Object.values(properties).map((valueOf) => choice(rows, valueOf));
    const everything = ["", ...selects.map(() => "all")];
    const shown = document.createElement("output");
    const place = `filters of ${location.pathname}`;

    function apply() {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of rows) {
        const content = row.textContent.toLowerCase();
        const fits =
          wanted.every((word) => content.includes(word)) &&
          Object.values(properties).every(
            (valueOf, k) => selects[k].value === "all" || valueOf(row) === selects[k].value,
          );
        row.hidden = !fits;
        count += fits;
      }
      shown.textContent = `${count} of ${rows.length} claims`;
      const chosen = [words, ...selects].map((control) => control.value);
      sessionStorage.setItem(place, JSON.stringify(chosen));
    }

    function set([sought, ...chosen]) {
      words.value = sought;
      selects.forEach((select, k) => {
        select.value = chosen[k];
        if (select.selectedIndex < 0) select.value = "all"; // of a former build
      });
      apply();
    }

    /* An address of a claim shows it, whatever was filtered before. */
    function reveal() {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      const row = target?.closest("tr");
      if (!row?.hidden) return;
      set(everything);
      row.scrollIntoView({ block: "center" });
    }

    words.addEventListener("input", apply);
    selects.forEach((select) => select.addEventListener("change", apply));
    window.addEventListener("hashchange", reveal);
    const controls = document.createElement("form");
    controls.className = "claims-controls";
    controls.setAttribute("aria-label", "Filter the claims");
    controls.addEventListener("submit", (event) => event.preventDefault());
    controls.append(labelled("Words in the row", words));
    Object.keys(properties).forEach((name, k) => {
      if (selects[k].options.length > 2) controls.append(labelled(name, selects[k]));
    });
    controls.append(shown);
    (table.closest(".pst-scrollable-table-container") ?? table).before(controls);
    set(JSON.parse(sessionStorage.getItem(place)) ?? everything);
    if (performance.getEntriesByType("navigation")[0]?.type !== "reload") reveal();
  }

  /* What scrolls sideways must be reachable without a mouse. */
  function reachable() {
    const boxes =
      ".table-body, .text_html, .pst-scrollable-table-container, .scrolls, div.math mjx-container";
    [...document.querySelectorAll(`.bd-article :is(${boxes})`)].forEach((box, k) => {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      box.classList.toggle("table-scrolls", scrolls && box.querySelector("table") !== null);
      if (scrolls) {
        box.tabIndex = 0;
        box.setAttribute("role", "region");
        const kinds = { "mjx-container": "Equation", ".scrolls": "Figure", "*": "Table" };
        const what = kinds[Object.keys(kinds).find((kind) => box.matches(kind))];
        const caption = box.closest("figure")?.querySelector(".caption-number");
        const name = caption?.textContent.trim() ?? `${what} ${k + 1}`; // no two have the same
        box.setAttribute("aria-label", `${name}, scrolls sideways`);
      } else if (box.getAttribute("role") === "region") {
        for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
      }
    });
  }

  /* Tables of numbers are set right, tables with sentences left; words may wrap. */
  function sortWords() {
    for (const table of document.querySelectorAll("table.dataframe")) {
      const cells = [...table.querySelectorAll("tbody :is(td, th)")];
      const long = cells.some((cell) => cell.matches("td") && cell.textContent.length > 40);
      table.classList.toggle("has-sentences", long);
      for (const cell of cells) {
        const text = cell.textContent;
        cell.classList.toggle("words", text.length > 14 && letters.test(text));
      }
    }
  }

  /* What is too wide is set smaller, and if that is not enough numbers wrap, each with its spread.
     On a phone what is still too wide is stacked, but for grids of numbers. */
  function fitTables() {
    for (const table of document.querySelectorAll(".bd-article table")) {
      if (table.matches(cards)) continue;
      const box = table.parentElement;
      const tooWide = () => box.scrollWidth > box.clientWidth + 1;
      table.classList.remove("tight", "wraps", "stacked");
      for (const step of ["tight", "wraps"]) {
        if (!tooWide()) break;
        if (step === "wraps") spreadsApart(table);
        table.classList.add(step);
      }
      if (phone.matches && tooWide() && !isGrid(table)) stack(table);
    }
  }

  function spreadsApart(table) {
    for (const cell of table.querySelectorAll("tbody :is(td, th)")) {
      if (cell.childElementCount) continue;
      cell.innerHTML = cell.innerHTML.replace(spread, '<span class="spread">$&</span>');
    }
  }

  /* Short numbers are compared down a column, and stacked rows would tear it apart: where nine in
     ten cells are such, none is a sentence, and rows are more than three, the table stays a grid,
     and scrolls. */
  function isGrid(table) {
    const rows = [...table.tBodies[0].rows];
    const texts = rows.flatMap((row) => [...row.cells].slice(1))
      .filter((cell) => cell.matches("td")).map((cell) => cell.textContent.trim());
    const numbers = texts.filter((text) => text.length <= 14 && !letters.test(text));
    const most = numbers.length >= 0.9 * texts.length;
    return most && rows.length > 3 && !table.matches(".has-sentences");
  }

  /* The cells that cover each place of some rows, those that span several of them repeated. */
  function places(rows) {
    const grid = rows.map(() => []);
    rows.forEach((row, y) => {
      for (const cell of row.cells) {
        let x = 0;
        while (grid[y][x]) x += 1;
        for (let j = 0; j < cell.rowSpan && y + j < rows.length; j += 1) {
          for (let k = 0; k < cell.colSpan; k += 1) grid[y + j][x + k] = cell;
        }
      }
    });
    return grid;
  }

  /* Rows as blocks: their cells are told the names of their columns, of all levels; the name of a
     row, what it stands below. */
  function stack(table) {
    const heads = places([...(table.tHead?.rows ?? [])]);
    const joined = (cells) => [...new Set(cells)].map((cell) => cell.textContent.trim())
      .filter(Boolean).join(", ");
    places([...table.tBodies[0].rows]).forEach((cells) => {
      const names = cells.filter((cell, x) => cell.matches("th") || x === 0);
      const name = names.at(-1);
      name.classList.add("head");
      names.slice(0, -1).forEach((cell) => (cell.dataset.repeated = ""));
      if (names.length > 1) name.dataset.above = joined(names.slice(0, -1));
      cells.forEach((cell, x) => {
        if (names.includes(cell)) return;
        cell.dataset.column = joined(heads.map((row) => row[x]).filter(Boolean));
        const length = cell.dataset.column.length + cell.textContent.length;
        cell.classList.toggle("line", length > 22);
      });
    });
    table.classList.add("stacked");
  }

  /* Style sheets lay rows out as blocks, which would take from them what a table is to assistive
     software: roles give it back. */
  function meaning() {
    const roles = {
      table: "table",
      "thead, tbody": "rowgroup",
      tr: "row",
      td: "cell",
      "thead th": "columnheader",
      "tbody th": "rowheader",
    };
    for (const [parts, role] of Object.entries(roles)) {
      for (const part of document.querySelectorAll(`.bd-article :is(${parts})`)) {
        part.setAttribute("role", role);
      }
    }
  }

  /* Names of folded cells, and heads without a text, as assistive software wants them. */
  function named() {
    for (const summary of document.querySelectorAll("details.hide > summary[aria-label]")) {
      summary.removeAttribute("aria-label"); // its text says what it shows
    }
    for (const head of document.querySelectorAll(".bd-article thead th")) {
      if (head.textContent.trim()) continue;
      const corner = document.createElement("td");
      for (const { name, value } of head.attributes) corner.setAttribute(name, value);
      head.replaceWith(corner);
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
    for (const image of document.querySelectorAll(".bd-article img")) {
      const [box, button] = [document.createElement("div"), document.createElement("button")];
      box.className = "scrolls";
      button.className = "enlarge";
      button.type = "button";
      button.title = "Enlarge this figure";
      const forms = image.closest("picture") ?? image; // a phone has its own; enlarged it is this
      forms.replaceWith(box);
      box.append(button);
      button.append(forms);
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
    named();
    meaning();
    sortWords();
    fitTables();
    enlargeable();
    reachable();
    let width = innerWidth;
    window.addEventListener("resize", () => {
      if (innerWidth !== width) fitTables(); // bars of a phone's browser change the height alone
      width = innerWidth;
      reachable();
    });
    window.addEventListener("load", () => {
      fitTables(); // in the letters that have come
      reachable();
      window.MathJax?.startup?.promise?.then(reachable);
    });
  });
})();
