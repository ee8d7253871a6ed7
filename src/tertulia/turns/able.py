"""Whether a model can do what is asked of it, known before anything is stored."""

from __future__ import annotations

from tertulia.domain.promise import Promise
from tertulia.domain.response import Request
from tertulia.errors import InvalidInput
from tertulia.ports.model import Model


def check_able(request: Request, model: Model) -> None:
    """Raises `InvalidInput` where the model declares that it cannot."""
    info = model.info
    if request.tools and not info.tools and Promise(request).allowed:
        raise InvalidInput(
            f"The model {info.id} calls no functions. Leave tools out, or choose a model whose "
            "capabilities, in /v1/models, name tools.",
            code="unsupported_value",
            param="tools",
        )
    shape = request.text_format
    if shape["type"] == "text":
        return
    if not info.json_schema:
        raise InvalidInput(
            f"The model {info.id} cannot be held to a format. Leave text.format out, or choose a "
            "model whose capabilities, in /v1/models, name json_schema.",
            code="unsupported_value",
            param="text.format",
        )
    schema = shape.get("schema") or {}
    why = model.schema_obstacle(schema, strict=bool(shape.get("strict"))) if schema else None
    if why is not None:
        raise InvalidInput(
            f"The model {info.id} cannot be held to this JSON schema. {why}.",
            code="invalid_json_schema",
            param="text.format.schema",
        )
