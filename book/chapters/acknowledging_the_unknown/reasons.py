"""The best explanation of each claim of *Acknowledging the Unknown* that fails.

"Perhaps" marks what no intervention of the chapter tests.
"""

from __future__ import annotations

from collections.abc import Mapping

from weaklabels.press.verdicts import FAILS, HOLDS

TEXTS: Mapping[str, str] = {
    "2b 18a 18b": "Perhaps a linear layer on fixed features has too little freedom to memorise "
    'wrong labels, so that saying less than "negative" is worth as much as saying "unknown": rows '
    "1b and 8e find gains of similar size over AN for EM and for LS and N-LS. On scenes, where the "
    "network can memorise, EM is ahead (rows 2a, 17a and 17b).",
    "18d 18e": "As for rows 18a and 18b. Besides, EM loses between its best and its last epoch, "
    "and LS and N-LS do not (tab-atu-voc); they chose a lower learning rate, which perhaps is the "
    "reason.",
    "3b 18c 18f": "No run separates a reason. ROLE alone is told the true mean number of "
    "positives.",
    "5b": "On fixed features EM and the run that knows all negatives gain about as much over AN, "
    "and all labels together bring three points: there is little room to pass it (tab-atu-voc).",
    "8a": "No explanation was found. The strengths of the penalties are chosen on validation "
    "scenes here (tab-atu-tuning); those of the paper were not found.",
    "10b": "No explanation was found. EM has a tenth of AN's learning rate there, by validation. "
    "With the last layers trained the distance is larger in more "
    "than nine of ten classes (row 28).",
    "12b": "Rare classes decide EM's mean there, up and down by ten points and more (boat, "
    "bicycle, tvmonitor; motorbike, train; fig-atu-voc-class-gain); in most of the frequent ones "
    "the two differ by a point or two. The AP of the rare ones rests on a few test images.",
    "15c": "Perhaps because the anchors are scores of an unfinished network, which are the worse "
    "the fewer labels it has seen: fig-atu-study shows such a drag where the passes begin early. "
    "APL adds little or nothing at any of these rates (fig-atu-mlml).",
    "15e": "No explanation was found for the part at 20 %. On scenes EM is ahead at that rate "
    "(first part of row 15a); the settings of every method are chosen at every rate "
    "(tab-atu-mlml-settings).",
    "15g": "At 20 and at 80 % EM+APL and EM have the same learning rate and differ little in the "
    "mean. At 50 % validation chose another learning rate for each, and the weight 0 for the "
    "pseudo-labels (tab-atu-mlml-settings): the difference, which scatters most there, cannot be "
    "put down to APL alone.",
    "19a": "No explanation was found. EM separates hidden positives from negatives better than AN "
    "does (row 28); its mAP at the best epoch is lower nevertheless, and at the last one the two "
    "have about the same mean (row 19b). The learning rate was chosen for each, and is the same "
    "for both; EM's α lies inside what was tried (tab-atu-photograph-settings); one repetition "
    "decides these choices.",
    "20a 20b 20c": "DW, L1R and L2R are changes of AN, and AN itself is ahead of EM: what is said "
    "of row 19a is true of them too.",
    "20f": "DW loses less than AN towards the end (tab-atu-photographs), where EM and AN have "
    "about the same mean (row 19b). Why EM gains so little on AN there, no row says.",
    "23 24": "EM is behind AN there (row 19a), and both references, which know more, have a higher "
    "mAP than AN (tab-atu-photographs): perhaps what keeps EM below AN keeps it below them.",
    "26c": "No explanation was found. With linear heads on photographs both smoothings help "
    '(row 8e), and on scenes too (row 8d). EM and ROLE, which also say less than "negative", '
    "are below AN here as well, and DW is not (tab-atu-photographs). The learning rate of LS was "
    "chosen with a smoothing of 0.1, the smoothing after it (tab-atu-photograph-settings).",
    "30": "EM's mAP is below AN's there (row 19a), so gains in nearly all classes were not to be "
    "expected.",
}
"""Ids of rows -> why they fail."""

CAUTIONS: Mapping[str, str] = {
    "20d 20i": "The learning rate of LS was chosen with a smoothing of 0.1, the smoothing, a tenth "
    "of that, after it (tab-atu-photograph-settings); AN at its own rate, which EM does not beat "
    "(rows 19a and 19b), has a higher mAP than LS.",
}
"""Ids of rows -> what to bear in mind where they hold."""

REASONS: Mapping[str, Mapping[str, str]] = {
    id: {outcome: text}
    for outcome, texts in ((FAILS, TEXTS), (HOLDS, CAUTIONS))
    for ids, text in texts.items()
    for id in ids.split()
}
"""Id of a row -> its ``why``."""
