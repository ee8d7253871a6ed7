"""What every embedding adapter promises: the packaged model in this process, and any server,
which here is a Tertulia that serves that model over real HTTP."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.live import live
from tests.support.weights import minilm

from tertulia.adapters.embedding.minilm import MiniLM
from tertulia.adapters.embedding.openai import EmbeddingEndpoint, OpenAIEmbedding
from tertulia.domain.vector import WIDTH, numbers
from tertulia.errors import ContextTooLong
from tertulia.ports.embedding import Embedding

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = ["The cat sits on the mat.", "A feline rests on a rug.", "Rates rose again.", "漢字 🙂"]


@asynccontextmanager
async def in_process(_: Path) -> AsyncIterator[Embedding]:
    model = MiniLM(await minilm())
    yield model
    await model.close()


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[Embedding]:
    await minilm(folder)
    async with live(folder) as started:
        endpoint = EmbeddingEndpoint(f"{started.url}/v1", "all-minilm-l6-v2")
        model = OpenAIEmbedding(endpoint)
        yield model
        await model.close()


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[in_process, server], ids=lambda p: p.__name__
)
async def embedding(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Embedding]:
    async with request.param(tmp_path_factory.mktemp("data")) as opened:
        yield opened


def cosine(one: bytes, other: bytes) -> float:
    return sum(a * b for a, b in zip(numbers(one), numbers(other), strict=True))


def same(one: Sequence[bytes], other: Sequence[bytes]) -> bool:
    return len(one) == len(other) and all(
        cosine(a, b) > 1 - 1e-5 for a, b in zip(one, other, strict=True)
    )


async def test_it_is_ready_and_says_so(embedding: Embedding) -> None:
    await embedding.ready()
    assert embedding.state().status == "ready"
    assert embedding.info.id == "all-minilm-l6-v2"


async def test_vectors_are_unit_float32_of_one_size(embedding: Embedding) -> None:
    done = await embedding.embed(TEXTS)
    assert len(done.vectors) == len(TEXTS)
    assert embedding.info.dimensions == 384
    assert {len(vector) for vector in done.vectors} == {384 * WIDTH}
    for vector in done.vectors:
        assert math.hypot(*numbers(vector)) == pytest.approx(1, abs=1e-5)
    assert len(TEXTS) < done.tokens < 100


async def test_what_is_alike_lies_close(embedding: Embedding) -> None:
    cat, feline, rates, _ = (await embedding.embed(TEXTS)).vectors
    assert cosine(cat, feline) > 0.5 > 0.2 > cosine(cat, rates)


async def test_a_text_has_one_vector_whatever_stands_beside_it(embedding: Embedding) -> None:
    together = (await embedding.embed(TEXTS)).vectors
    alone = [(await embedding.embed([text])).vectors[0] for text in TEXTS]
    turned = (await embedding.embed(TEXTS[::-1])).vectors[::-1]
    assert same(together, alone)
    assert same(together, turned)


async def test_questions_and_documents(embedding: Embedding) -> None:
    documents = await embedding.embed(TEXTS, "document")
    questions = await embedding.embed(TEXTS, "query")
    assert same(documents.vectors, questions.vectors)  # this model tells them not apart
    assert documents.tokens == questions.tokens


async def test_no_texts_no_vectors(embedding: Embedding) -> None:
    done = await embedding.embed([])
    assert (done.vectors, done.tokens) == ((), 0)


async def test_many_texts_come_back_in_their_order(embedding: Embedding) -> None:
    texts = [f"Number {number}." for number in range(150)]
    done = await embedding.embed(texts)
    picked = (0, 63, 64, 149)
    alone = [(await embedding.embed([texts[index]])).vectors[0] for index in picked]
    assert same([done.vectors[index] for index in picked], alone)


async def test_calls_run_side_by_side(embedding: Embedding) -> None:
    alone = (await embedding.embed(TEXTS)).vectors
    for done in await asyncio.gather(*(embedding.embed(TEXTS) for _ in range(4))):
        assert same(done.vectors, alone)


async def test_a_text_that_is_too_long_is_told_apart(embedding: Embedding) -> None:
    with pytest.raises(ContextTooLong) as raised:
        await embedding.embed(["short", "word " * 600])
    assert (raised.value.param or "").startswith("input")


async def test_cancelling_ends_a_call_and_no_other(embedding: Embedding) -> None:
    task = asyncio.create_task(embedding.embed(["word " * 400] * 20))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len((await embedding.embed(["after it"])).vectors) == 1
