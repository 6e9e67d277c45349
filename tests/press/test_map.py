"""The map in CONTRIBUTING names every module, and none that is gone; its lists are short."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "weaklabels"
STOREYS = ("press", "lab")


def test_the_map_names_every_module() -> None:
    """A folder that is no storey stands for its modules."""
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]
    house = told.partition("src/weaklabels/")[2].partition("data_scripts/")[0]
    floors = dict(zip((*STOREYS, ""), re.split(r"\n +\|\n", house), strict=True))
    for floor, text in floors.items():
        named = set(re.findall(r"(?<!\w)\w+(?:\.py|/)(?!\w)", text)) - {f"{floor}/"}
        there = {path.name for path in (HOUSE / floor).glob("*.py") if path.stem != "__init__"}
        folders = (path for path in (HOUSE / floor).iterdir() if path.is_dir())
        there |= {f"{path.name}/" for path in folders if path.name[0].isalpha()}
        assert named == there - {f"{storey}/" for storey in STOREYS}, floor


def test_no_list_has_more_than_ten_points() -> None:
    numbers = re.findall(r"^(\d+)\. ", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert numbers
    assert max(map(int, numbers)) <= 10
