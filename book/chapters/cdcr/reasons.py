"""Why rows come out as they do: what is printed beside them."""

from __future__ import annotations

IMBALANCE = (
    "Only the weight of the negatives is changed, so as they are they cost this much. Perhaps by "
    "what is left out: it shifts the balance of its class, confidences sink, and fewer candidates "
    "pass at the next epoch (recall: the same table)."
)
SINGLE_RUNS = (
    "Perhaps a matter of single runs: now and then a rare class loses ten points or more, "
    "which outweighs the small gains of the others (the figure over classes)."
)
LITTLE_TO_WIN = (
    "By the warm-up that all methods share here: with the length and the learning rate that were "
    "chosen for each, CDCR is ahead at this rate as well (rows 22a and 22b). By little, since most "
    "candidates are right (tab-cdcr-selection) and training on all of them comes close to training "
    "on the true labels (tab-cdcr-map). Row 4 compares the gain over BCE at the lowest and at the "
    "highest rate."
)
STARVED = (
    "Where one threshold is behind, perhaps it starves the rare classes, whose candidates have low "
    "confidences; the figure over classes looks at the middle rate. Class difficulty is all that "
    "differs in rows 3a to 3c; after the last epoch it makes up for nearly all of the distance or "
    "for more than that; where classes are equally frequent it is worth less (row 3d). Length and "
    "learning rate that are chosen for each method remove the distance after the last epoch too "
    "(rows 15b, 22c and 22g; at the middle rate the length alone, row 15g): either change is "
    "enough."
)
GENEROUS = (
    "Perhaps the first selection after the warm-up is generous, and the next ones give up recall "
    "for purity (the same figure)."
)
BREAKS = (
    "Negatives always count, positives only where they are selected: with negatives in proportion "
    "more than half of the distance is gone, and recall is much higher (rows 13a and 13b; "
    "tab-cdcr-many). Perhaps the warm-up of ten classes is too short for the first selections: "
    "rows 15c, 15d and 15f have one of the length that was chosen for each method (tab-cdcr-grid). "
    "With the lower threshold that validation scenes choose after the same warm-up, neither rule "
    "is behind BCE (listed below fig-cdcr-alpha, at three seeds; no row asks it)."
)
NOT_ALL = (
    "The balance of positives and negatives is not all: with negatives in proportion, too, the "
    "selection leaves out a third of the true labels (recall in tab-cdcr-many). Perhaps the rest "
    "is the warm-up of ten classes: with a longer one CDCR is ahead of BCE without this change "
    "(row 15c)."
)
TAIL = (
    "With class difficulty in its place the method is ahead (row 15c): perhaps one threshold "
    "leaves out the rare classes of the tail. The threshold stays at 0.6, as published; it was not "
    "chosen here."
)
TOO_EARLY = (
    "The learning rate and all else are the same, so all of what one threshold is behind in "
    "tab-cdcr-map at this rate is the warm-up. Perhaps the rare classes have too few confidences "
    "above the threshold when the selection begins early."
)
LEAVES_OUT = (
    "Class difficulty is the stricter rule there: it selects fewer than one label an image where "
    "one threshold selects two, and half as many of the true ones "
    "(fig-cdcr-photographs-selection). What it selects is much purer over all labels "
    "(tab-cdcr-photographs), so perhaps what is left out costs more than the wrong labels would."
)
STEEP = (
    "The first selection, after five epochs of warm-up, takes four labels an image, of which two "
    "in three are wrong; the next ones give up recall for purity, and from its lowest point on the "
    "recall grows (fig-cdcr-photographs-selection)."
)
NEARLY_ALL = (
    "With class difficulty nearly nine in ten candidates are selected there, and they are purer by "
    "five points only (tab-cdcr-mirflickr, row 21d), so perhaps it is too close to training on "
    "all. One threshold, chosen from the same values, leaves out more and is ahead of BCE (row "
    "21c)."
)
