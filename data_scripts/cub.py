"""CUB-200-2011 (``make data-cub``)."""

from pathlib import Path

from fetch import Dataset, Remote, main


def check(root: Path) -> dict[str, int]:
    """Read the lists and the attributes; count images and attributes."""
    from weaklabels.data.cub import attribute_names, read_attributes

    base = root / "CUB_200_2011"
    path = base / "images.txt"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: the set is incomplete")
    files = [line.split()[1] for line in path.read_text().splitlines() if line.strip()]
    if lost := [file for file in files if not (base / "images" / file).exists()]:
        raise FileNotFoundError(f"{base / 'images' / lost[0]} is listed but not there")
    read_attributes(base, len(files))
    return {"images": len(files), "attributes": len(attribute_names(base))}


DATASET = Dataset(
    name="cub",
    title="CUB-200-2011",
    terms="non-commercial research and education; cite Wah et al. 2011",
    page="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    files=(
        Remote(
            "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
            "CUB_200_2011.tgz",
            ".",
            "md5:97eceeb196236b17998738112f37df78",
            1_150_585_339,
        ),
    ),
    places=("CUB_200_2011", "attributes.txt"),
    optional=("attributes.txt",),
    check=check,
    complete={"images": 11_788, "attributes": 312},
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))
