"""Files of tensors and plain values: written whole or not at all, and read only if undamaged."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

SCRIPT = "constants.pkl"
"""What archives of TorchScript have beside the parts that PyTorch writes."""


def write(content: dict[str, Any], path: Path) -> None:
    """Write a file; a reader sees the new one or the one before it.

    Raises:
        OSError: in one sentence, if it cannot be written; nothing is left behind then.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        temporary.touch()  # a missing folder and the like: PyTorch has other words for each
        torch.save(content, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "the disk may be full"
        raise OSError(f"{path} cannot be written: {reason}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def read(path: Path, otherwise: str) -> Any:
    """What was written; PyTorch alone would take a file in which a bit has changed.

    Args:
        path: the file.
        otherwise: what to say if it is damaged or of another kind.

    Raises:
        OSError: if it cannot be opened or read.
        ValueError: saying so, if it is damaged or of another kind.
        MemoryError, RuntimeError: if the memory does not suffice, which says nothing of the file.
    """
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                whole = archive.testzip() is None
                parts = {Path(name).name for name in archive.namelist()}
        except (OSError, MemoryError):
            raise
        except Exception as error:  # a damaged archive raises almost anything
            raise ValueError(otherwise) from error
    if not whole or not {"data.pkl", "version"} <= parts or SCRIPT in parts:
        raise ValueError(otherwise)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError, RuntimeError):
        raise
    except Exception as error:
        raise ValueError(otherwise) from error
