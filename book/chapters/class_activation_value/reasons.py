"""The best explanation of each comparison of CAVL with its rivals that fails.

"Perhaps" marks what no intervention of the chapter tests.
"""

from __future__ import annotations

from collections.abc import Mapping

from weaklabels.press.verdicts import FAILS

TEXTS: Mapping[str, str] = {
    "4c": "Guessing among the candidates is right so often on BirdSong (tab-cavl-real has what a "
    "network reaches there) that there is less room for 20 points than on digits. Perhaps the "
    "learning rate counts as well: it was chosen for the accuracy at the end, not for good first "
    "epochs (tab-cavl-choices).",
    "6wa": "With more warm-up CAVL and IM-max come close to the others (compare row 6ra), and stay "
    "about a point below RC, PRODEN and LWC (tab-cavl-networks): perhaps hard labels cost "
    "something here too, as row 16 finds with the MLP.",
    "7a 7b 7c": "Perhaps hard labels cost here what they cost on uniform sets (row 16): IM-max is "
    "behind as well (tab-cavl-flipping), and from q = 0.3 on a later start does not close the gap "
    "(tab-cavl-intervention). Every method has the learning rate that it chose at that q "
    "(tab-cavl-tuned-q).",
    "7d": "As for rows 7a to 7c, and more so as the sets grow: the gap to PRODEN is larger at "
    "q = 0.7 than at q = 0.3 (row 13c), and IM-max falls as far as CAVL (tab-cavl-flipping).",
    "7ra 7rb 7rc": "Averaging alone has a higher mean than CAVL there, and is within two points of "
    "the soft methods (tab-cavl-flipping): perhaps it memorises few of the false candidates within "
    "these runs, so that there is little for identification to repair, and its wrong choices "
    "remain. What hard labels cost there, no row tests.",
    "7sa": "Follows from rows 7a to 7d: CAVL is nearest to the others at the smallest q, and "
    "farthest from them at the largest. Rows 13c and 13d ask what the sets and the width of the "
    "network have to do with the gap to PRODEN.",
    "8a 8b 8d 8e 8f": "Perhaps hard labels lock in: IM-max, which selects by the largest logit, "
    "is about as far behind (rows 8ma to 8mf find no lead of CAVL over it), and RC, the same rule "
    "with soft labels, has a higher mean than both on every set (tab-cavl-real; row 16 tests it on "
    "digits). The first epoch has 8 to 32 steps there: rows 8wa to 8wf say what ten epochs of "
    "warm-up change.",
    "8c": "Perhaps the early start: an epoch has 32 steps there, and with ten epochs of warm-up, "
    "at the settings chosen for that start, CAVL is ahead of CC, RC and PRODEN (row 8wc). IM-max "
    "gains with the same warm-up, too (tab-cavl-real), so it is not hard labels as such.",
    "8wb": "The early start is a part of the reason at most: with ten epochs of warm-up CAVL's "
    "mean is higher (tab-cavl-real), and what still fails are comparisons with soft weights. "
    "IM-max with the same warm-up is about level with it.",
    "8wd 8we 8wf": "The early start is not the whole reason: with a linear model ten epochs of "
    "warm-up leave more than half of the gap to RC, PRODEN, LWS and LWC on Lost, and less than "
    "half of that to CC, and lower CAVL's mean on BirdSong (tab-cavl-real). Perhaps hard labels "
    "are: with and without the warm-up CAVL and IM-max both "
    "have lower means than CC, RC, PRODEN and LWC on these two sets.",
    "13a 13b": "With the wide network a later start makes the gap larger (tab-cavl-intervention): "
    "perhaps the network fits the false candidates during the average, which alone ends far below "
    "CAVL (IM-avg in tab-cavl-flipping), and then selects among what it has memorised. With 30 "
    "hidden units a later start costs little or helps. The learning rate was chosen for a start "
    "after the first epoch, and is a hundred times the one that averaging chose, or more "
    "(tab-cavl-tuned-q).",
    "15b 15c 15d 15e": "With beta = 0 the loss of LWS leaves alone what is no candidate, which the "
    "softmax of CAVL pushes down, and LWS is below CAVL (row 15a); any larger beta pushes it down "
    "too. What LWS then has beyond CAVL is perhaps its soft weights: row 16 says what soft labels "
    "alone are worth.",
    "18a 18b 18c 18d 18e 18f 18g 18h 18i": "Perhaps because hard labels lock in, or because they "
    "come too early: CAVL selects after one epoch, which is 7 to 31 steps, and rows 8wa to 8wf say "
    "what a later start changes. Whatever the settings are chosen by, CAVL has a lower mean than "
    "CC, RC, PRODEN and LWC on every set (tab-cavl-selection).",
    "20b": "A map lacks the bias of the logit, and counting its positive positions loses more: on "
    "photographs the mean of the map is above the count, and IM-max above the mean, by about as "
    "much (tab-cavl-cifar-rules). On digits counting costs the larger part (row 1b).",
    "20e": "What selects is probably the reason: CAVL trains in the same way, at the same learning "
    "rate, and ends above averaging (tab-cavl-cifar). In the first fourteen epochs of averaging "
    "the count of positive positions finds the label less often than the value does (left panel of "
    "fig-cavl-cifar), and what it gets wrong trains the next maps: they end about five points "
    "above chance (fig-cavl-cifar).",
    "20f": "A later start does not change what selects, which row 20e takes for the reason: when "
    "the maps take over, after four epochs of averaging, accuracy falls as well (in the record of "
    "these runs, but not drawn).",
}
"""Ids of rows -> why they fail."""

REASONS: Mapping[str, Mapping[str, str]] = {
    id: {FAILS: text} for ids, text in TEXTS.items() for id in ids.split()
}
"""Id of a row -> its ``why``."""
