"""``/v1/embeddings``: vectors of texts, as OpenAI's API gives them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from tertulia.domain.principal import Principal
from tertulia.domain.vector import cut, numbers
from tertulia.errors import InvalidInput, NotFound
from tertulia.ports.embedding import Embedding
from tertulia.settings.sections import Limits
from tertulia.transports.auth import Caller, limit_creation
from tertulia.transports.body import read_json
from tertulia.transports.errors import documented
from tertulia.transports.reply import reply
from tertulia.transports.services import Services, services_of
from tertulia.transports.wire_field import Field

T = TypeVar("T")

#: OpenAI's own.
MOST_TEXTS = 2048

router = APIRouter(tags=["embeddings"])


class Vector(BaseModel):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class Vectors(BaseModel):
    object: Literal["list"]
    model: str
    data: list[Vector]
    usage: Usage


_BODY = {
    "title": "CreateEmbeddings",
    "type": "object",
    "properties": {
        "input": {
            "description": "A text, or up to 2,048 of them. Arrays of token numbers are refused: "
            "they belong to a tokenizer that this server does not have.",
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1},
                    "minItems": 1,
                    "maxItems": MOST_TEXTS,
                },
            ],
        },
        "model": {
            "type": ["string", "null"],
            "description": "The server's embedding model. Left out, or one of the chat models: "
            "the same.",
        },
        "encoding_format": {
            "enum": ["float", "base64", None],
            "default": "float",
            "description": "`base64`: of little-endian float32 numbers.",
        },
        "dimensions": {
            "type": ["integer", "null"],
            "minimum": 1,
            "description": "Give only the first so many numbers of each vector, which is brought "
            "to length 1 again.",
        },
        "user": {"type": ["string", "null"]},
    },
    "required": ["input"],
}

_DOCUMENT = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _BODY,
                "examples": {
                    "one text": {"value": {"input": "The cat sits on the mat."}},
                    "several texts": {
                        "value": {
                            "input": ["The cat sits on the mat.", "Rates rose in October."],
                            "encoding_format": "base64",
                            "dimensions": 128,
                        }
                    },
                },
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class Ask:
    texts: list[str]
    model: str | None
    base64: bool
    dimensions: int | None


@router.post(
    "/v1/embeddings",
    response_model=Vectors,
    responses=documented(400, 401, 404, 413, 502),
    openapi_extra=_DOCUMENT,
)
async def create_embeddings(request: Request, caller: Caller) -> Response:
    """Make vectors of texts.

    What is alike lies close together: the product of two vectors is the cosine of their angle.
    The first call may take longer: the model is fetched and loaded then.
    """
    services = services_of(request)
    ask = parse(await read_json(request), services.settings.limits)
    embedding = _chosen(services, caller, ask.model)
    _check_dimensions(ask, embedding)
    await limit_creation(services, caller)
    embedded = await _unless_gone(request, embedding.embed(ask.texts))
    if embedded is None:
        return Response(status_code=499)  # to nobody; the number is nginx's
    _check_dimensions(ask, embedding)
    vectors = embedded.vectors
    if ask.dimensions is not None:
        vectors = tuple(cut(vector, ask.dimensions) for vector in vectors)
    return reply(
        {
            "object": "list",
            "model": embedding.info.id,
            "data": [
                {"object": "embedding", "index": index, "embedding": _written(vector, ask)}
                for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
        }
    )


def parse(body: Any, limits: Limits) -> Ask:
    """The body.

    Raises:
        InvalidInput: a field is wrong; ``param`` is its path.
    """
    top = Field(body)
    form, size, model, user = (
        top.get(name) for name in ("encoding_format", "dimensions", "model", "user")
    )
    if not user.missing:
        user.text()
    return Ask(
        texts=_texts(top.get("input"), limits.embedding_chars),
        model=None if model.missing else model.text(at_most=256),
        base64=not form.missing and form.choice("float", "base64") == "base64",
        dimensions=None if size.missing else size.integer(1),
    )


def _texts(field: Field, most_chars: int) -> list[str]:
    if isinstance(field.value, str):
        texts = [_text(field)]
    elif field.missing or isinstance(field.value, list):
        if field.value and isinstance(field.value[0], int | list):
            raise field.wrong(
                "holds token numbers, which belong to a tokenizer that this server does not "
                "have: send text (LangChain: check_embedding_ctx_length=False)",
                "unsupported_value",
            )
        texts = [_text(each) for each in field.items(at_most=MOST_TEXTS)]
    else:
        raise field.wrong("must be a string or an array of strings", "invalid_type")
    if not texts:
        raise field.wrong("is empty: there is nothing to embed", "empty_array")
    if sum(map(len, texts)) > most_chars:
        raise field.wrong(
            f"has more than {most_chars} characters in all: send it in several requests",
            "string_above_max_length",
        )
    return texts


def _text(field: Field) -> str:
    return field.text(at_least=1)


def _chosen(services: Services, caller: Principal, model_id: str | None) -> Embedding:
    """The one embedding model. A chat model's id stands for it too: clients that know only one
    model send that, and expect no certain size of vectors from it. The answer names the model.

    Raises:
        NotFound: there is none, or the id is nobody's: perhaps that of vectors which ours could
            not be compared with.
    """
    embedding = services.embedding
    if embedding is None:
        raise NotFound(
            "This server embeds nothing: its setting embedding is none.",
            code="model_not_found",
            param="model",
        )
    if model_id is not None and model_id != embedding.info.id:
        try:
            services.parts.models.get(model_id, admin=caller.admin)
        except NotFound:
            raise NotFound(
                f"There is no such embedding model; this server has {embedding.info.id}.",
                code="model_not_found",
                param="model",
            ) from None
    return embedding


def _check_dimensions(ask: Ask, embedding: Embedding) -> None:
    """Known before the first call, or else after it."""
    known = embedding.info.dimensions
    if ask.dimensions is not None and known is not None and ask.dimensions > known:
        raise InvalidInput(
            f"dimensions must be at most {known}: {embedding.info.id} has no more.",
            code="above_max_value",
            param="dimensions",
        )


def _written(vector: bytes, ask: Ask) -> str | list[float]:
    return base64.b64encode(vector).decode() if ask.base64 else numbers(vector).tolist()


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """The work's result; None when the client has left, which ends the work."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(left())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
