"""Records of finished runs, one file each."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from weaklabels.lab.keys import run_key

META = "__meta__"
DAMAGE = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged archive raises. Anything else (no memory, a network file system that does
not answer) says nothing about the file, which then stays."""


@dataclasses.dataclass(frozen=True)
class Record:
    """What a run left behind.

    Attributes:
        spec: the dataclass that the run was called with.
        values: results by name, NumPy arrays (numbers are 0-d).
        provenance: versions, device and duration in seconds; never part of a result.
    """

    spec: Any
    values: dict[str, np.ndarray]
    provenance: dict[str, Any]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]

    def to_bytes(self) -> bytes:
        """The record as an ``.npz`` archive; its checksums show damage."""
        meta = {"spec": dataclasses.asdict(self.spec), "provenance": self.provenance}
        arrays: dict[str, Any] = {META: np.array(json.dumps(meta, sort_keys=True)), **self.values}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_file(cls, path: Path, spec: Any) -> Record:
        """Read a record.

        Args:
            path: of the file.
            spec: what the run was called with.

        Raises:
            OSError: if the file cannot be read.
            ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error: if it is damaged.
        """
        with np.load(path, allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
        meta = json.loads(str(values.pop(META)))
        return cls(spec, values, meta["provenance"])


@dataclasses.dataclass(frozen=True)
class Store:
    """Records in a folder, written atomically."""

    folder: Path

    def path(self, function: Callable[..., Any], spec: Any) -> Path:
        """Where the record of this run is, or would be."""
        return self.folder / f"{function.__name__}-{run_key(function, spec)[:24]}.npz"

    def load(self, path: Path, spec: Any) -> Record | None:
        """The record of the run of ``spec`` at its path; None if there is none.

        A damaged file is reported with a warning, removed, and counts as absent.
        """
        try:
            return Record.from_file(path, spec)
        except FileNotFoundError:
            return None
        except DAMAGE as error:
            warnings.warn(
                f"{path.name} is damaged ({type(error).__name__}): its run is computed again",
                stacklevel=2,
            )
            path.unlink(missing_ok=True)
            return None

    def save(self, path: Path, record: Record) -> None:
        """Write a record; a reader sees all of it or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            temporary.write_bytes(record.to_bytes())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def digest(values: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of a record's values, for comparing runs bit by bit."""
    state = hashlib.sha256()
    for name in sorted(values):
        array = np.ascontiguousarray(values[name])
        state.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return state.hexdigest()
