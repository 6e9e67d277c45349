/* How the search orders what it found: entries of the API below pages, and the row of a method
   below its chapter. Sphinx's own values else. */
var Scorer = {
  score: ([page, , anchor, description, score]) => {
    if (description?.startsWith("Python")) return score - 100;
    return page === "methods" && anchor ? score - 1 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
