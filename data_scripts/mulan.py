"""The multi-label sets of Mulan (``make data-mulan``)."""

from pathlib import Path

from fetch import Dataset, Remote, main

BASE = "https://raw.githubusercontent.com/tsoumakas/mulan/master/data/multi-label"
SHA256 = """
birds/README.md 581026acaf33d478d467311003d4062352dbaf48e77ad8b40b2bcf9ca7d9d12a
birds/birds-test.arff 51ba6326d65ccdd7c755b6461280eb6d2769c7f59d8e12fd4250f91e6ca28326
birds/birds-train.arff 8f215db6ee163149901e753977f631ba8bea0e0e8e1abc42b234414822f8ae36
birds/birds.xml 0f4ea547b2b3d538c8402662daf689e0d4520cc8b4f5ba113c2e7c01700f010f
corel5k/Corel5k-sparse.arff 12c06161d2367f919f6da912089a6c9180c115cfcefa37afacfdeb903930eb7e
corel5k/Corel5k-test-sparse.arff e8f8e9cd052c43ba7bdfdf99d242f461fc8c2a03163466d921e576887b51d8a7
corel5k/Corel5k-train-sparse.arff 19eb253c447144bea74ffa86b4731a56022addae2ba7d0aab72ad07fdc02e9b3
corel5k/Corel5k.xml 54ef6a6ccb7ca9b77524052b34b306d5d501661a5609b9d1cc7085b2b597679d
corel5k/README.md f852b3d7bc31b660604f0cfa461afa60a9f1298e6f79add961a0603ac4a9680d
emotions/README.md 2986546dd8dacd62980daa6451cc2608834951e04b9add560ba26ce77dd418ff
emotions/emotions-test.arff f13d4b746b7b5c8eb484bd751d6ac463d4560dff998a93516a5c1fe35daf6c8f
emotions/emotions-train.arff bbe704106c79bb8fb99c1d1d2e9bde081d6a2daeb01f100862f11fd91a3c1f98
emotions/emotions.arff 6f2f790047073d1293ac0872c0d55f2dc98b6177802fc96c6b66b309dfee1e4b
emotions/emotions.xml dbce8e6ccbbb2fcbfd9e9edbb230d7ed12692c6e13f59fdbc0161fa9b6cf2dc0
flags/README.txt dc473629c757324f0d18b412a23288a1203ead7723a5489586b6711f23c4fa72
flags/flags-test.arff 09f6136fae47dcc2f0f491efd6401a11072cbfb0bfbb2666c63b35bb06aeeb16
flags/flags-train.arff 1861cdab7f8baf1aef6fb6198f304465ddfd99b7f9a435337c604119522df3c5
flags/flags.arff d3ed8b5683f1b27e68069aad2c29388bb57d4caa5041b559e646cc3854a0cd1e
flags/flags.xml 7c9ed21a91b716b91f811323e20ee5a260ea2da62a5edcfeb1b91ec855a48f17
medical/medical-test.arff 6be472e75a6c0b0916187f343a398011b1b26f8f0ddc682c575312ad3532f6c4
medical/medical-train.arff c764f45756ab1c553b8b4eaaf5605a5610a43bbbcf37492d0f1a12bf9c9e2244
medical/medical.arff ad0630a9a409ed0023c3bb56a0be7610b635c1ca185c6035e3b198b01167aac4
medical/medical.xml 51fa9d5c09e48caff3f0a0c75db1c9aa85944f8e35451f3ad8bd56fc422286ce
scene/scene-test.arff ea38d20296b3ff7e220f477a3b802a9bcb2d768881fe6ee163efbc97ea527a42
scene/scene-train.arff b53ba93bdf412de922e3960389bcee24744fa3e872ce610511fc1d750888b64d
scene/scene.xml 55d8b247b949ad5c52e5a73d8c6775ec6e5469ce9682465b45b333b68ee4bcc5
yeast/yeast-test.arff 4aaac102bff9669a765bf0b378602e5cc8c3b181048282e2f003117b496d552a
yeast/yeast-train.arff e759dc991ff54694a4ff9c4314f3be0d6fd2b1994a4b563f57e416394c6aebbd
yeast/yeast.arff 55c07a3b6ff885ae338fb6987a1d57f55572b29809922c2822c4885c61230dd7
yeast/yeast.xml c3056cc26444b5158b1588d1b73bec9c45429e10f0957ad085903423cb81f247
"""
FILES = [line.rsplit(" ", 1) for line in SHA256.strip().splitlines()]


def check(root: Path) -> dict[str, int]:
    """Read every set that is there; count examples."""
    from weaklabels.data.mulan import SETS, load

    counts = {}
    for name in SETS:
        there = (root / "mulan" / name).exists()
        splits = load(root, which=name) if there else None
        counts[f"{name} examples"] = 0 if splits is None else len(splits.train) + len(splits.test)
    return counts


DATASET = Dataset(
    name="mulan",
    title="Mulan multi-label sets",
    terms="none stated; cite the source that each set's README names",
    page="http://mulan.sourceforge.net/datasets-mlc.html",
    files=tuple(
        Remote(
            f"{BASE}/{name}",
            name,
            f"mulan/{name.split('/')[0]}",
            f"sha256:{digest}",
            unpack=False,
        )
        for name, digest in FILES
    ),
    places=("mulan",),
    check=check,
    complete={
        "emotions examples": 593,
        "yeast examples": 2_417,
        "scene examples": 2_407,
        "birds examples": 645,
        "corel5k examples": 5_000,
        "medical examples": 978,
        "flags examples": 194,
    },
    note="no checksum is published; those used here were computed from a copy",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))
