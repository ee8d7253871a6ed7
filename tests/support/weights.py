"""The weights of the real model, fetched once for all runs of the tests.

They lie in ``.cache/models`` of the checkout, or where ``TERTULIA_TEST_MODELS`` says.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tertulia.adapters.model.catalog import DEFAULT_LOCAL
from tertulia.adapters.model.local import installed
from tertulia.adapters.model.pull import pull
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
    if not installed() and not os.environ.get("CI"):
        pytest.skip("no real model: the extra `local` is not installed")
    weights = parse(DEFAULT_LOCAL, folder())
    try:
        await pull(weights)
    except ModelUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no real model: {error.message}")
    return weights
