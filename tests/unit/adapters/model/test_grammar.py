"""The local model held to JSON schemas: to which it cannot be, and that it keeps to the others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio
from tests.support.weights import smollm2

from tertulia.adapters.model.grammar import obstacle
from tertulia.adapters.model.local import LocalModel
from tertulia.domain.json_match import mismatch
from tertulia.domain.json_schema import check_schema
from tertulia.ports.model import Call, Finished, Message, TextChunk, TextPart

WORD = {"type": "string", "maxLength": 12}


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SCHEMAS: dict[str, dict[str, Any]] = {
    "plain": closed(name=WORD, age={"type": "integer", "minimum": 0, "maximum": 30}),
    "nested": closed(cats={"type": "array", "items": closed(name=WORD), "maxItems": 2}),
    "bounds": closed(n={"type": "integer", "exclusiveMinimum": 5, "maximum": 9}),
    "fractions": closed(n={"enum": [0.5, 1.5]}),
    "pattern": closed(code={"type": "string", "pattern": "^[A-Z]{2}\\d{3}$"}),
    "nothing": closed(a={"type": "null"}, b={"type": "boolean"}),
    "union": {"anyOf": [closed(cat=WORD), closed(dog=WORD)]},
    "either": {"oneOf": [closed(cat=WORD), closed(dog=WORD)]},
    "reference": {"$defs": {"w": WORD}, **closed(a={"$ref": "#/$defs/w"})},
    "deep reference": closed(
        name=WORD,
        kittens={"type": "array", "maxItems": 1, "items": {"$ref": "#/$defs/kitten"}},
    )
    | {"$defs": {"kitten": closed(mother={"enum": [None]}, name=WORD)}},
    "constant": {"const": {"a": [1, 2]}},
    "long enum": {"enum": [f"value {n}" for n in range(5_000)]},
    "whatever is odd": closed(a={**WORD, "format": "no-such", "x-ours": 5, "title": "A"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_grammar_can_be_made_of_them(name: str) -> None:
    check_schema(SCHEMAS[name])
    assert obstacle(SCHEMAS[name], strict=True) is None


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (closed(a={"minLength": 5, "maxLength": 3}), "#/properties/a: minLength"),
        (closed(a={"minItems": 2, "maxItems": 1}), "#/properties/a: minItems"),
        (closed(a={"minimum": 5, "maximum": 3}), "#/properties/a: minimum"),
        (closed(a={"type": "integer", "minimum": 10**30}), "#/properties/a: minimum"),
        ({"minItems": 20_000}, "#: minItems and maxItems may be 10000"),
        ({"maxLength": 20_000}, "#: minLength and maxLength may be 10000"),
        ({"pattern": "^(?=x)$"}, "#: the pattern"),
        ({"anyOf": [{"const": n} for n in range(600)]}, "#: anyOf and oneOf"),
    ],
)
def test_what_no_grammar_can_be_made_of(schema: dict[str, Any], told: str) -> None:
    check_schema(schema)
    assert (obstacle(schema, strict=False) or "").startswith(told)


def test_what_a_grammar_leaves_out_is_refused_only_under_strict() -> None:
    schema = closed(a={**WORD, "not": {"const": "x"}})
    assert obstacle(schema, strict=False) is None
    assert obstacle(schema, strict=True) == "#/properties/a: not cannot be enforced under strict"


# --- the real model ------------------------------------------------------------------------------

real = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[LocalModel]:
    made = LocalModel(await smollm2(), threads=2, parallel=2, window=2048)
    await made.ready()
    yield made
    await made.close()


async def answer(
    model: LocalModel, schema: dict[str, Any], *, tokens: int = 400, prefix: str = ""
) -> tuple[str, str]:
    """Its text, and why it ended."""
    said = Message("user", (TextPart("Describe a cat named Tom, as JSON."),))
    call = Call("x", [said], prefix, json_schema=schema, max_output_tokens=tokens, temperature=0.0)
    text, reason = "", ""
    async with aclosing(model.generate(call)) as batches:
        async for batch in batches:
            for chunk in batch:
                if isinstance(chunk, TextChunk):
                    text += chunk.text
                elif isinstance(chunk, Finished):
                    reason = chunk.reason
    return text, reason


class TestTheRealModel:
    pytestmark = real

    @pytest.mark.parametrize("name", SCHEMAS)
    async def test_its_output_satisfies_the_schema(self, model: LocalModel, name: str) -> None:
        text, reason = await answer(model, SCHEMAS[name])
        assert reason == "stop"
        assert mismatch(json.loads(text), SCHEMAS[name]) is None

    async def test_any_object(self, model: LocalModel) -> None:
        text, _ = await answer(model, {}, tokens=16)
        assert text.startswith("{")

    async def test_a_beginning_is_gone_on_from(self, model: LocalModel) -> None:
        schema, begun = SCHEMAS["plain"], '{"name": "To'
        rest, reason = await answer(model, schema, prefix=begun)
        assert reason == "stop"
        assert mismatch(json.loads(begun + rest), schema) is None

    async def test_it_is_as_well_as_before_after_a_schema_it_cannot_read(
        self, model: LocalModel
    ) -> None:
        await answer(model, closed(a={"minLength": 5, "maxLength": 3}), tokens=16)
        text, _ = await answer(model, SCHEMAS["plain"])
        assert mismatch(json.loads(text), SCHEMAS["plain"]) is None
