"""Image shards, batches, augmentation, and features of frozen backbones."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from tests.library import tiny_datasets as tiny
from weaklabels import backbones
from weaklabels.data import augment, shards
from weaklabels.data.reading import read_ahead


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "images" / f"{i}.jpg" for i in range(150)]
    for i, path in enumerate(paths):
        tiny.image(path, seed=i)
    return paths


def test_pixels_are_those_of_pil(files, tmp_path):
    x = shards.build(files, (12, 16), tmp_path / "cache", "toy", workers=3)
    assert x.dtype == torch.uint8
    assert x.shape == (150, 3, 12, 16)
    for i in (0, 63, 64, 149):
        pixels = Image.open(files[i]).resize((16, 12), Image.Resampling.BILINEAR)
        assert (x[i].permute(1, 2, 0).numpy() == np.asarray(pixels)).all()


def test_second_time_reads_no_image(files, tmp_path, monkeypatch):
    first = shards.build(files, 8, tmp_path / "cache", "toy")
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("an image was opened"))
    again = shards.build(files, 8, tmp_path / "cache", "toy")
    assert torch.equal(first, again)
    rows = torch.cat([batch for _, batch in read_ahead(again, torch.arange(150).split(32))])
    assert torch.equal(rows, first)


def test_writing_to_the_tensor_leaves_the_file_alone(files, tmp_path):
    x = shards.build(files, 8, tmp_path / "cache", "toy")
    before = x[0].clone()
    x[0] = 255 - x[0]
    assert torch.equal(shards.build(files, 8, tmp_path / "cache", "toy")[0], before)


def test_another_resolution_filter_or_file_is_another_array(files, tmp_path):
    cache = tmp_path / "cache"
    shards.build(files, 8, cache, "toy")
    shards.build(files, 9, cache, "toy")
    shards.build(files, 8, cache, "toy", resample="bicubic")
    tiny.image(files[0], 80, 60, seed=1000)
    changed = shards.build(files, 8, cache, "toy")
    pixels = Image.open(files[0]).resize((8, 8), Image.Resampling.BILINEAR)
    assert (changed[0].permute(1, 2, 0).numpy() == np.asarray(pixels)).all()
    assert len([p for p in cache.iterdir() if p.is_dir()]) == 4
    with pytest.raises(ValueError, match="resample 'nearest': expected one of"):
        shards.build(files, 8, cache, "toy", resample="nearest")


def test_an_interrupted_build_goes_on(files, tmp_path, monkeypatch):
    whole = shards.build(files, 8, tmp_path / "whole", "toy").clone()
    seen: list[Path] = []
    decode = shards._decode

    def interrupt(path, *arguments):
        if len(seen) == 100:
            raise KeyboardInterrupt
        seen.append(path)
        return decode(path, *arguments)

    monkeypatch.setattr(shards, "_decode", interrupt)
    with pytest.raises(KeyboardInterrupt):
        shards.build(files, 8, tmp_path / "cache", "toy", workers=1)
    assert not list((tmp_path / "cache").glob("*/meta.json")), "nothing that looks finished"
    again: list[Path] = []
    monkeypatch.setattr(
        shards, "_decode", lambda path, *rest: (again.append(path), decode(path, *rest))[1]
    )
    assert torch.equal(shards.build(files, 8, tmp_path / "cache", "toy", workers=1), whole)
    assert len(again) == 150 - 64, "the finished block is not decoded again"


@pytest.mark.parametrize("left", [0, 5, 200])
def test_a_damaged_array_is_named_with_the_remedy(files, tmp_path, left):
    shards.build(files[:4], 8, tmp_path, "toy")
    (array,) = tmp_path.glob("toy-*/images.npy")
    array.write_bytes(array.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"images\.npy is damaged .*: remove its folder"):
        shards.build(files[:4], 8, tmp_path, "toy")


def test_a_damaged_image_is_named_and_leaves_nothing(files, tmp_path):
    files[70].write_bytes(files[70].read_bytes()[:200])
    with pytest.raises(ValueError, match=r"70.jpg: not a readable image"):
        shards.build(files, 8, tmp_path / "cache", "toy")
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_a_missing_image_is_named(files, tmp_path):
    files[3].unlink()
    with pytest.raises(FileNotFoundError, match=r"3.jpg is listed but not there"):
        shards.build(files, 8, tmp_path / "cache", "toy")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(files, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    kept = shards.build(files[:5], 8, cache, "kept").clone()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="cache: the disk is full"):
        shards.build(files, 8, cache, "toy")
    monkeypatch.undo()
    usage = shards.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shards.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OSError, match="28,800 bytes are needed for 150 images, 1,000 are free"):
        shards.build(files, 8, cache, "toy")
    assert not list(cache.glob("toy*")), "nothing half-written"
    assert torch.equal(shards.build(files[:5], 8, cache, "kept"), kept)


def _build_and_report(files, cache, pipe):
    decoded, decode = [], shards._decode
    shards._decode = lambda *arguments: (decoded.append(1), decode(*arguments))[1]
    x = shards.build(files, 8, cache, "toy")
    pipe.send((len(decoded), int(x.numpy().sum())))


def test_two_processes_build_once(files, tmp_path):
    fork = multiprocessing.get_context("fork")  # a fresh interpreter would spend seconds on torch
    pipes = [fork.Pipe(duplex=False) for _ in range(2)]
    workers = [
        fork.Process(target=_build_and_report, args=(files, tmp_path / "cache", end))
        for _, end in pipes
    ]
    for worker in workers:
        worker.start()
    reports = [receiver.recv() for receiver, _ in pipes]
    for worker in workers:
        worker.join(60)
    assert sorted(decoded for decoded, _ in reports) == [0, 150]
    assert reports[0][1] == reports[1][1]


# --- batches -------------------------------------------------------------------------------------


def test_batches_follow_the_order():
    x = torch.arange(20).reshape(10, 2)
    order = torch.tensor([7, 1, 9, 0, 3])
    got = list(read_ahead(x, order.split(2)))
    assert [rows.tolist() for rows, _ in got] == [[7, 1], [9, 0], [3]]
    assert all(torch.equal(batch, x[rows]) for rows, batch in got)
    assert list(read_ahead(x, ())) == []


def test_batches_can_be_left_early_and_hand_on_errors():
    x = torch.zeros(100, 2)
    for rows, _ in read_ahead(x, torch.arange(100).split(5)):
        assert rows.tolist() == [0, 1, 2, 3, 4]
        break
    with pytest.raises(IndexError):
        list(read_ahead(x, torch.tensor([0, 100]).split(1)))


# --- augmentation --------------------------------------------------------------------------------


@pytest.fixture
def batch():
    return torch.randint(0, 256, (64, 3, 10, 12), generator=torch.Generator().manual_seed(0)).byte()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_to_float(batch):
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    x = augment.to_float(batch, mean, std)
    torch.testing.assert_close(x, tv.normalize(batch.float() / 255, mean, std))
    assert augment.to_float(batch, dtype=torch.bfloat16).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="both or none"):
        augment.to_float(batch, mean)


def test_flip_is_left_to_right_for_about_half(batch):
    out = augment.flip(batch, rng())
    flipped = [torch.equal(o, b.flip(-1)) for o, b in zip(out, batch, strict=True)]
    kept = [torch.equal(o, b) for o, b in zip(out, batch, strict=True)]
    assert all(f or k for f, k in zip(flipped, kept, strict=True))
    assert 20 < sum(flipped) < 44
    assert torch.equal(out, augment.flip(batch, rng()))


def test_pad_crop_shifts_and_fills_with_zeros(batch):
    out = augment.pad_crop(batch, rng(), 2)
    assert out.shape == batch.shape
    padded = torch.nn.functional.pad(batch, (2, 2, 2, 2))
    shifts = set()
    for o, p in zip(out, padded, strict=True):
        hits = [(t, s) for t in range(5) for s in range(5)
                if torch.equal(o, p[:, t : t + 10, s : s + 12])]  # fmt: skip
        assert len(hits) == 1
        shifts |= set(hits)
    assert len(shifts) > 15


def test_square_crop_resizes_like_torchvision(batch):
    same = augment.square_crop(batch, rng(), (10,), 10)
    assert same.shape == (64, 3, 10, 10)
    whole = batch[:, :, :, :10]
    resized = augment.square_crop(whole, rng(), (10,), 6)
    expected = tv.resize(whole.float(), [6, 6], tv.InterpolationMode.BICUBIC, antialias=True)
    torch.testing.assert_close(resized.float(), expected.round().clamp(0, 255), atol=1, rtol=0)
    with pytest.raises(ValueError, match="crop of 11 pixels: the images are 10 x 12"):
        augment.square_crop(batch, rng(), (8, 11), 6)


def test_cutout_blanks_a_square(batch):
    white = torch.full_like(batch, 255)
    out = augment.cutout(white, rng(), 4)
    areas = (out[:, 0] == 0).flatten(1).sum(1)
    assert areas.max() == 16
    assert areas.min() >= 4, "cut at the border, the centre is inside"
    assert torch.equal(out[:, 0], out[:, 2])
    coloured = augment.cutout(white.float() / 255, rng(), 0.5, fill=None)
    assert ((coloured != 1).any(1).flatten(1).sum(1) <= 36).all()


@pytest.mark.gpu
def test_augmentation_means_the_same_on_a_gpu(batch, gpu):
    for function in (augment.flip, augment.pad_crop, lambda b, g: augment.cutout(b, g, 4)):
        torch.testing.assert_close(function(batch.to(gpu), rng()).cpu(), function(batch, rng()))


# --- backbones -----------------------------------------------------------------------------------


def test_features_are_cached_with_the_backbones_identity(tmp_path, batch):
    bone = backbones.resnet50(pretrained=False)
    assert not bone.pretrained
    assert "random" in bone.name
    images = batch[:3]
    plain = backbones.extract_features(images, bone, resolution=32)
    assert plain.shape == (3, 2048)
    first = backbones.extract_features(images, bone, resolution=32, cache=tmp_path)
    torch.testing.assert_close(first, plain)
    stopped = torch.nn.Identity()
    stopped.forward = lambda _: pytest.fail("computed again")
    frozen = backbones.Backbone(bone.name, stopped, bone.mean, bone.std, bone.identity, False)
    again = backbones.extract_features(images, frozen, resolution=32, cache=tmp_path)
    assert torch.equal(again, first)
    other = backbones.resnet50(pretrained=False, seed=1)
    assert other.identity != bone.identity
    changed = backbones.extract_features(images, other, resolution=32, cache=tmp_path)
    assert not torch.equal(changed, first)
    images[0] = 0
    backbones.extract_features(images, bone, resolution=32, cache=tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 3
    assert not list(tmp_path.glob("*.partial"))


def test_weights_from_a_file(tmp_path):
    from torchvision.models import resnet50

    network = resnet50()
    torch.save(network.state_dict(), tmp_path / "resnet50.pth")
    bone = backbones.resnet50(tmp_path / "resnet50.pth")
    assert bone.pretrained
    assert torch.equal(bone.network.conv1.weight, network.conv1.weight)
    with pytest.raises(ValueError, match=r"resnet50.pth: size mismatch for conv1.weight"):
        backbones.mobilenet_v1(tmp_path / "resnet50.pth")
    with pytest.raises(FileNotFoundError, match=r"nothing.pth is not there"):
        backbones.mobilenet_v1(tmp_path / "nothing.pth")
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"bad.pth: not a readable file of weights"):
        backbones.resnet50(tmp_path / "bad.pth")


def test_real_mobilenet_features_are_near_the_given_ones():
    # The given features come from the full-size photographs, ours from copies whose shorter side
    # is 128 pixels, so they agree closely (correlation 0.99) but not to the precision of float16.
    bone = backbones.mobilenet_v1(tiny.shared(backbones.MOBILENET_FILE))
    given = np.load(tiny.shared("voc2012-subset-features") / "mobilenet_v1_gap.npz")
    folder = tiny.shared("voc2012-subset-small") / "VOCdevkit" / "VOC2012" / "JPEGImages"
    rows = range(0, 3804, 380)
    images = [Image.open(folder / f"{given['ids'][i]}.jpg").convert("RGB") for i in rows]
    pixels = np.stack([np.asarray(i.resize((224, 224), Image.Resampling.BICUBIC)) for i in images])
    ours = backbones.extract_features(torch.from_numpy(pixels).permute(0, 3, 1, 2), bone).numpy()
    theirs = given["feat_dw13"][list(rows)].astype(np.float32)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.985
    assert np.abs(ours - theirs).mean() < 0.1
    # The nearest given row of each image is its own.
    distances = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    assert (distances.argmin(1) == np.arange(len(ours))).all()
