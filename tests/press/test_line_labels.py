"""Labels of the lines of a forest plot tell them apart, also those of the real chapters."""

import json
from collections import Counter
from pathlib import Path

import pytest

from weaklabels.press.line_labels import LENGTH, line_labels, telling

RECORDED = sorted(Path("book/chapters").glob("*/recorded/claims.json"))
MOST_ALIKE = 1 / 7


def labels(*lines: tuple[str, str, str]) -> list[str]:
    return line_labels([({"id": id, "claim": claim}, {"name": name}) for id, name, claim in lines])


def drawn(path: Path) -> list[tuple[dict, dict]]:
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [(row, part) for row in rows for part in row["parts"] if part["effect"] is not None]


def test_what_all_share_gives_way_to_what_differs():
    place = "(photographs, last layers trained, recorded; {} epoch)."
    found = labels(
        ("20a", "", f"EM beats DW {place.format('best')}"),
        ("20b", "", f"EM beats LS {place.format('best')}"),
        ("20c", "", f"EM beats DW {place.format('last')}"),
        ("20d", "", f"EM beats LS {place.format('last')}"),
    )
    assert [label.partition(" … ")[::2] for label in found] == [
        ("20a  EM beats DW photographs, last", "best"),
        ("20b  EM beats LS photographs, last", "best"),
        ("20c  EM beats DW photographs, last", "last"),
        ("20d  EM beats LS photographs, last", "last"),
    ]


def test_a_line_that_stands_alone_begins_as_its_claim_does():
    assert labels(("1", "", "It is so.")) == ["1  It is so."]
    [long] = labels(("2", "", "A claim of many words, more than there is room for in a label."))
    assert long == "2  A claim of many words, more than there"
    assert labels(("3", "", "x" * 60)) == [f"3  {'x' * (LENGTH - 1)}…"]


def test_numbers_and_their_units_stay_together():
    found = labels(("1a", "", "With 20 % known, q = 0.1."), ("1b", "", "With 50 % known, q = 0.1."))
    assert found == ["1a  With 20 % known, q = 0.1.", "1b  With 50 % known, q = 0.1."]
    assert telling(["With", "20 %", "known"], [["With", "50 %", "known"]]) == [1]


def test_names_of_parts_come_first_and_the_claim_tells_them_apart():
    found = labels(
        ("2a", "EM over DW", "EM beats all (scenes)."),
        ("2a", "EM over LS", "EM beats all (scenes)."),
        ("2b", "EM over DW", "EM beats all (photographs)."),
        ("2b", "EM over LS", "EM beats all (photographs)."),
    )
    assert found == [
        "2a  EM over DW: (scenes)",
        "2a  EM over LS: (scenes)",
        "2b  EM over DW: (photographs)",
        "2b  EM over LS: (photographs)",
    ]
    assert labels(("1", "A", "Both."), ("1", "B", "Both.")) == ["1  A", "1  B"]


def test_words_that_stand_elsewhere_too_are_told_apart_by_how_often():
    claims = ("CD and ID are not worse than CD", "CD and ID are not worse than ID")
    assert telling(claims[0].split(), [claims[1].split()]) == [7]
    assert telling(claims[0].split(), [claims[0].split()]) == []


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parts[-3])
def test_in_a_chapter_few_labels_are_alike(path: Path):
    found = line_labels(drawn(path))
    texts = [label.partition("  ")[2] for label in found]
    assert len(set(found)) == len(found)
    assert all(0 < len(text) <= LENGTH for text in texts)
    alike = sum(count for count in Counter(texts).values() if count > 1)
    assert alike <= MOST_ALIKE * len(texts)


def test_there_are_recorded_chapters():
    assert len(RECORDED) > 10
