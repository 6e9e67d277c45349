/* How the search orders what it found: entries of the API below pages. Sphinx's own values else. */
var Scorer = {
  score: ([, , , description, score]) =>
    description?.startsWith("Python") ? score - 100 : score,
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
