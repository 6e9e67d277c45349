"""Image files -> one memory-mapped uint8 array at the training resolution.

The images of a split are decoded once, in parallel, into ``<cache>/<name>-<key>/images.npy``; from
then on an epoch reads pixels through the page cache and no image file. The key covers the content
of the files, in their order, the resolution, the filter and the way of decoding: what a file is
called, and where it lies, plays no part. A build that was interrupted goes on from its last
finished block; two processes that want the same array build it once.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TypedDict

import joblib
import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from weaklabels.data.decode import decode as decode_image
from weaklabels.data.digests import digests

BLOCK = 64
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Decoding(TypedDict, total=False):
    """How the loaders of photographs decode them.

    Attributes:
        resolution: side of the square images, pixels (aspect ratio not kept); 448 by default.
        resample, workers, progress: see ``build``.
        cache: where the decoded images go; ``shards`` beside the dataset's folder by default.
    """

    resolution: int
    resample: str
    cache: str | Path | None
    workers: int | None
    progress: bool


def photographs(
    files: Sequence[Path],
    base: Path,
    name: str,
    *,
    resolution: int = 448,
    resample: str = "bilinear",
    cache: str | Path | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> Tensor:
    """The images of one part of a dataset in folder ``base`` (see ``build`` and ``Decoding``)."""
    folder = base.parent / "shards" if cache is None else cache
    return build(
        files, resolution, folder, name, resample=resample, workers=workers, progress=progress
    )


def build(
    files: Sequence[Path],
    resolution: int | tuple[int, int],
    cache: str | Path,
    name: str,
    *,
    resample: str = "bilinear",
    upright: bool = False,
    workers: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Decode and resize image files, or open the array made by an earlier call.

    Args:
        files: N image files, in the order of the rows.
        resolution: side of the square result, or (height, width); the aspect ratio is not kept.
        cache: folder for the arrays, made if needed.
        name: a readable prefix for the array's folder.
        resample: ``"bilinear"`` or ``"bicubic"``, with antialiasing (PIL's filters).
        upright: for photographs of one's own, see ``decode.decode``.
        workers: decoding threads; default: one per CPU that this process may use.
        progress: show a progress bar while decoding.

    Returns:
        A memory-mapped uint8 tensor ``(N, 3, h, w)``, RGB. It is private to the process: writing
        to it does not change the file.

    Raises:
        FileNotFoundError: if an image is missing and the array is not built yet.
        ValueError: if an image cannot be decoded; the message names the file.
        OSError: if the disk is full; nothing is left behind then.
    """
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    if resample not in FILTERS:
        raise ValueError(f"resample {resample!r}: expected one of {', '.join(FILTERS)}")
    cache = Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    contents = digests(files, cache)
    plan = _Plan(tuple(zip(files, contents, strict=True)), height, width, resample, upright)
    target = cache / f"{name}-{height}x{width}-{plan.key()[:16]}"
    if not (target / "meta.json").exists():
        with FileLock(cache / f".{target.name}.lock"):
            if not (target / "meta.json").exists():
                _build(plan, target, workers or joblib.cpu_count(), progress)
    return _open(target / "images.npy", plan.shape)


@dataclass(frozen=True)
class _Plan:
    """What is decoded, and how.

    Attributes:
        files: N files, each with the digest of its content.
        height, width, resample, upright: see ``build``.
    """

    files: tuple[tuple[Path, str], ...]
    height: int
    width: int
    resample: str
    upright: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.files), 3, self.height, self.width

    def key(self) -> str:
        how = f"{self.shape} {self.resample} {'upright' if self.upright else 'as published'}"
        return hashlib.sha256("\n".join([how, *(c for _, c in self.files)]).encode()).hexdigest()

    def rows(self, start: int) -> np.ndarray:
        """The block of rows from ``start``, ``(b, 3, h, w)`` uint8."""
        block = self.files[start : start + BLOCK]
        return np.stack([_decode(path, content, self) for path, content in block])


def _build(plan: _Plan, target: Path, workers: int, progress: bool) -> None:
    count, row = len(plan.files), int(np.prod(plan.shape[1:]))
    partial = target.with_name(f"{target.name}.partial")
    partial.mkdir(exist_ok=True)
    free = shutil.disk_usage(partial).free + _size(partial / "images.npy")
    if free < row * count:
        shutil.rmtree(partial)
        raise OSError(
            errno.ENOSPC,
            f"{target.parent}: {row * count:,} bytes are needed for {count:,} images, "
            f"{free:,} are free",
        )
    done_file = partial / "blocks"
    done = set(done_file.read_text().split()) if done_file.exists() else set()
    header = _header(partial / "images.npy", plan.shape)
    blocks = [b for b in range(0, count, BLOCK) if str(b) not in done]
    logging = Lock()
    try:
        with (
            open(partial / "images.npy", "r+b") as array,
            open(done_file, "a") as log,
            tqdm(total=count, unit="img", disable=not progress, desc=target.name) as bar,
        ):
            bar.update(count - sum(len(plan.files[b : b + BLOCK]) for b in blocks))

            def decode(start: int) -> int:
                data = np.ascontiguousarray(plan.rows(start)).data.cast("B")
                offset = header + start * row
                while data:  # a plain write says that the disk is full; a mapped one kills
                    written = os.pwrite(array.fileno(), data, offset)
                    data, offset = data[written:], offset + written
                with logging:  # here, not below: an interruption must not lose a finished block
                    log.write(f"{start}\n")
                    log.flush()
                return start

            with closing(_in_threads(decode, blocks, workers)) as finished:
                for start in finished:
                    bar.update(len(plan.files[start : start + BLOCK]))
    except (ValueError, OSError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise OSError(errno.ENOSPC, f"{target.parent}: the disk is full") from None
        raise
    done_file.unlink()
    (partial / "meta.json").write_text(json.dumps({"shape": plan.shape, "resample": plan.resample}))
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _in_threads(
    work: Callable[[int], int], blocks: Sequence[int], workers: int
) -> Generator[int, None, None]:
    """Work on all blocks; yields the results as they come.

    Few blocks are under way at a time, so that memory does not grow with their number.
    """
    waiting = iter(blocks)
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(work, block) for block in islice(waiting, 2 * workers)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
                    if (following := next(waiting, None)) is not None:
                        running.add(pool.submit(work, following))
        finally:
            for future in running:
                future.cancel()


def _size(path: Path) -> int:
    return path.stat().st_blocks * 512 if path.exists() else 0


def _header(path: Path, shape: tuple[int, ...]) -> int:
    """Write the npy header of an array of this shape (if new) and return its length."""
    if not path.exists():
        with open(path, "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": shape}
            )
            length = file.tell()
            file.truncate(length + int(np.prod(shape)))
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        return file.tell()


def _decode(path: Path, content: str, plan: _Plan) -> np.ndarray:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is listed but not there") from None
    if hashlib.sha256(data).hexdigest() != content:
        raise ValueError(f"{path}: it changed while the images were read: read them again")
    image = decode_image(data, path, upright=plan.upright)
    pixels = image.resize((plan.width, plan.height), FILTERS[plan.resample])
    return np.asarray(pixels).transpose(2, 0, 1)


def _open(path: Path, shape: tuple[int, ...]) -> Tensor:
    try:
        array = np.load(path, mmap_mode="c")
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): remove its folder, it is made again"
        ) from None
    if array.shape != shape or array.dtype != np.uint8:
        raise ValueError(f"{path}: {array.dtype} {array.shape}, expected uint8 {shape}")
    return torch.from_numpy(array)
