"""Image files of every depth and kind, against a plain reading of what they mean."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from weaklabels.data import digests, shards
from weaklabels.data.decode import decode


def pixels(image, kind="PNG", path="x", upright=True, **options):
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return np.asarray(decode(file.getvalue(), path, upright=upright))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["PNG", "TIFF"]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_sixteen_bit_grey_is_scaled(seed, kind, upright):
    levels = np.random.default_rng(seed).integers(0, 2**16, (5, 7), dtype=np.uint16)
    found = pixels(Image.fromarray(levels), kind, upright=upright)
    wanted = np.rint(levels.astype(float) * 255 / 65535)
    assert (found == wanted[:, :, None]).all()


def test_a_sixteen_bit_ramp_is_half_as_bright_as_white():
    ramp = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
    assert pixels(Image.fromarray(ramp)).mean() == pytest.approx(127.5, abs=0.1)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_depths_without_a_scale_are_refused_by_name(tmp_path, mode):
    path = tmp_path / "deep.tif"
    Image.new(mode, (4, 4), 7).save(path)
    with pytest.raises(ValueError, match=f"deep.tif: .*mode '{mode}': expected 8 or 16 bits"):
        decode(path.read_bytes(), path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("upright", [True, False])
def test_eight_bit_modes_keep_white_and_black(mode, upright):
    kind = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    for level in (0, 255):
        image = Image.new("RGB", (4, 4), (level,) * 3).convert(mode)
        assert (pixels(image, kind, upright=upright) == level).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone_for_photographs_and_ignored_in_official_sets(orientation):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    turned = {1: picture, 2: picture[:, ::-1], 3: picture[::-1, ::-1], 4: picture[::-1],
              5: picture.transpose(1, 0, 2), 6: np.rot90(picture, -1),
              7: np.rot90(picture, -1)[:, ::-1].transpose(1, 0, 2)[::-1, ::-1].transpose(1, 0, 2),
              8: np.rot90(picture)}  # fmt: skip
    turned[7] = picture[::-1, ::-1].transpose(1, 0, 2)
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = pixels(Image.fromarray(picture), exif=exif)
    assert (found == turned[orientation]).all()
    assert (pixels(Image.fromarray(picture), exif=exif, upright=False) == picture).all()


def test_what_is_transparent_lies_on_white():
    drawing = np.zeros((4, 4, 4), np.uint8)
    drawing[1, :, 3] = 255
    found = pixels(Image.fromarray(drawing))
    assert found[:, 0, 0].tolist() == [255, 0, 255, 255]
    half = Image.new("LA", (2, 2), (0, 128))
    assert abs(int(pixels(half)[0, 0, 0]) - 127) <= 1
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert (pixels(palette, transparency=0) == 255).all()


def test_damage_is_one_sentence(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (30, 30)).save(file, "PNG")
    for content in (b"", b"hello", file.getvalue()[:20], file.getvalue()[:60]):
        with pytest.raises(ValueError, match=r"x.png: not a readable image"):
            decode(content, tmp_path / "x.png")


# --- the cache knows content, not names ----------------------------------------------------------


def two_folders(tmp_path):
    files = [tmp_path / part / "1.bmp" for part in "ab"]
    for path, colour in zip(files, ("black", "white"), strict=True):
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), colour).save(path)
    return files


def test_files_of_one_name_and_size_are_told_apart(tmp_path):
    files = two_folders(tmp_path)
    for order, levels in ((files, [0, 255]), (files[::-1], [255, 0])):
        x = shards.build(order, 4, tmp_path / "cache", "toy")
        assert x.float().mean((1, 2, 3)).tolist() == levels


def test_a_file_that_is_written_anew_is_decoded_anew(tmp_path):
    files = two_folders(tmp_path)
    shards.build(files, 4, tmp_path / "cache", "toy")
    before = files[0].stat()
    files[0].write_bytes(files[1].read_bytes())
    import os

    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files[0].stat().st_size == before.st_size
    assert (shards.build(files, 4, tmp_path / "cache", "toy") == 255).all()


def test_moved_files_are_not_decoded_again(tmp_path, monkeypatch):
    files = two_folders(tmp_path)
    first = shards.build(files, 4, tmp_path / "cache", "toy")
    moved = [path.rename(tmp_path / f"{path.parent.name}.bmp") for path in files]
    monkeypatch.setattr(shards, "_decode", lambda *_: pytest.fail("decoded again"))
    assert torch.equal(shards.build(moved, 4, tmp_path / "cache", "toy"), first)
    with pytest.raises(FileNotFoundError, match="listed but not there"):
        shards.build(files, 4, tmp_path / "cache", "toy")


def test_digests_are_remembered_until_the_file_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "SETTLED", 0.0)
    path = tmp_path / "file"
    path.write_bytes(b"one")
    one = digests.digests([path, path], tmp_path)
    assert one[0] == one[1]
    read = digests._digest
    monkeypatch.setattr(digests, "_digest", lambda _: pytest.fail("read again"))
    assert digests.digests([path], tmp_path) == one[:1]
    monkeypatch.setattr(digests, "_digest", read)
    path.write_bytes(b"two")
    assert digests.digests([path], tmp_path) != one[:1]
    (tmp_path / digests.NAME).write_text("damaged")
    assert digests.digests([path], tmp_path) != one[:1]


def test_a_file_that_changes_during_the_reading_is_named(tmp_path, monkeypatch):
    files = two_folders(tmp_path)
    monkeypatch.setattr(shards, "digests", lambda files, cache: ["0" * 64] * len(files))
    with pytest.raises(ValueError, match=r"1.bmp: it changed while the images were read"):
        shards.build(files, 4, tmp_path / "cache", "toy")
