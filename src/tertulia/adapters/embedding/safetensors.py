"""Reading a ``.safetensors`` file: a JSON header that says where each tensor lies, then tensors.

The file is mapped, not read: what a model does not touch takes no memory, and the rest is the
kernel's to drop and to share between processes.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tertulia.errors import ModelUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Far above any header; a file that claims more is no such file.
_MOST_HEADER = 100 * 2**20
_NUMBER = 8


class _Entry(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def load(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of the file by name, read-only; others are passed over.

    Raises:
        ModelUnavailable: it is not such a file, or damaged.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        entries, start = _header(data)
        return {
            name: _tensor(data, entry, start)
            for name, entry in entries.items()
            if entry.dtype == "F32"
        }
    except (ValueError, msgspec.DecodeError):
        raise ModelUnavailable(
            f"{path.name} is damaged: delete it and pull the model again."
        ) from None


def _header(data: mmap.mmap) -> tuple[dict[str, _Entry], int]:
    """What the file holds, and where the tensors begin."""
    size = int.from_bytes(data[:_NUMBER], "little")
    if size > min(_MOST_HEADER, len(data) - _NUMBER):
        raise ValueError
    header = msgspec.json.decode(data[_NUMBER : _NUMBER + size], type=dict[str, msgspec.Raw])
    header.pop("__metadata__", None)
    entries = {name: msgspec.json.decode(raw, type=_Entry) for name, raw in header.items()}
    return entries, _NUMBER + size


def _tensor(data: mmap.mmap, entry: _Entry, start: int) -> NDArray[np.float32]:
    import numpy as np

    begin, end = entry.data_offsets
    count = math.prod(entry.shape)
    if end - begin != 4 * count:
        raise ValueError
    return np.frombuffer(data, np.dtype("<f4"), count, start + begin).reshape(entry.shape)
