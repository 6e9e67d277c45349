/* Greek letters find the formulas that have them, which are indexed by the letters' names; and
   excerpts of what the search found are sentences of the article, without formulas, code and the
   page around it. No library, no network. */
"use strict";

(() => {
  const LENGTH = 240;
  const NOT_PROSE = ".headerlink, h1, pre, script, style, details.hide > summary";

  /* A term of the glossary or a name of the API, with what is said of it below. */
  function entryOf(term) {
    const parts = [term];
    while (parts.at(-1).matches("dt")) parts.push(parts.at(-1).nextElementSibling);
    return parts.map((part) => part.textContent).join(" ");
  }

  /* The text of a page, or of the part of it that the address names; a formula becomes "…". */
  function proseOf(html, anchor) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const article = page.querySelector("article.bd-article");
    if (!article) return "";
    article.querySelectorAll(NOT_PROSE).forEach((part) => part.remove());
    article.querySelectorAll(".math").forEach((formula) => formula.replaceWith("…"));
    const named = anchor ? page.getElementById(anchor.slice(1)) : null;
    const term = named?.closest("dt");
    const text = term ? entryOf(term) : (named ?? article).textContent;
    return text.replace(/\s+/g, " ").trim();
  }

  /* Whole words around the first of those that were asked for. */
  function cut(text, keywords) {
    const lower = text.toLowerCase();
    const places = [...keywords].map((word) => lower.indexOf(word.toLowerCase()));
    const first = Math.min(...places.filter((place) => place >= 0), text.length);
    const middle = first < text.length ? first : 0;
    const begin = text.indexOf(" ", middle - LENGTH / 2) + 1;
    const start = middle > LENGTH / 2 && begin <= middle ? begin : 0;
    const end = text.lastIndexOf(" ", start + LENGTH);
    const stop = start + LENGTH < text.length && end > middle ? end : text.length;
    const [before, after] = [start > 0 ? "… " : "", stop < text.length ? " …" : ""];
    return before + text.slice(start, Math.min(stop, start + LENGTH)) + after;
  }

  function excerpt(html, keywords, anchor) {
    const paragraph = document.createElement("p");
    paragraph.className = "context";
    paragraph.textContent = cut(proseOf(html, anchor), keywords);
    return paragraph;
  }

  const LETTERS =
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho " +
    "sigma sigma tau upsilon phi chi psi omega";  // sigma has a form of its own at the end of words
  const NAMES = LETTERS.split(" ");

  function spelt(words) {
    return words.replace(/[α-ω]/g, (letter) => ` ${NAMES[letter.charCodeAt(0) - 0x3b1]} `).trim();
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (typeof Search === "undefined") return;
    Search.makeSearchSummary = excerpt;
    const query = Search.query;
    Search.query = (words) => query(spelt(words.toLowerCase()));
  });
})();
