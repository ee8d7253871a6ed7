"""The weights of the real models, fetched once for all runs of the tests.

They lie in ``.cache/models`` of the checkout, or where ``TERTULIA_TEST_MODELS`` says.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tertulia.adapters.embedding.catalog import minilm_weights
from tertulia.adapters.model.catalog import DEFAULT_LOCAL
from tertulia.adapters.model.local import installed
from tertulia.adapters.model.pull import pull
from tertulia.adapters.model.registry import FOLDER
from tertulia.adapters.model.weights import Weights, parse
from tertulia.errors import ModelUnavailable


def folder() -> Path:
    default = Path(__file__).parents[2] / ".cache" / "models"
    chosen = Path(os.environ.get("TERTULIA_TEST_MODELS", default))
    chosen.mkdir(parents=True, exist_ok=True)
    # Keeps itself out of git wherever it lies.
    (chosen / ".gitignore").write_text("*\n")
    return chosen


async def smollm2() -> Weights:
    """The default model's weights; skips the test where they cannot be had, but fails in CI."""
    return await _had(parse(DEFAULT_LOCAL, folder()))


async def minilm(data: Path | None = None) -> Weights:
    """The embedding model's weights, likewise; linked into the data folder ``data``, if given."""
    weights = await _had(minilm_weights(folder()))
    if data is None:
        return weights
    linked = minilm_weights(data / FOLDER)
    assert linked.companion is not None
    assert weights.companion is not None
    linked.path.parent.mkdir(parents=True, exist_ok=True)
    linked.companion.path.symlink_to(weights.companion.path)
    linked.path.symlink_to(weights.path)
    return linked


async def _had(weights: Weights) -> Weights:
    if not installed() and not os.environ.get("CI"):
        pytest.skip("no real model: the extra `local` is not installed")
    try:
        await pull(weights)
    except ModelUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no real model: {error.message}")
    return weights
