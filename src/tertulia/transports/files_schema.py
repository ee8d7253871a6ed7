"""What the OpenAPI document says of uploads: forms are read by hand, and content is bytes."""

from __future__ import annotations

from typing import Any

_FORM = {
    "title": "UploadFile",
    "type": "object",
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "A PNG, JPEG, GIF or WebP image.",
        },
        "purpose": {"enum": ["vision", "user_data", "assistants"]},
        "expires_after[anchor]": {"enum": ["created_at"]},
        "expires_after[seconds]": {
            "type": "integer",
            "minimum": 3600,
            "maximum": 2_592_000,
            "description": "Left out, the file is kept until it is deleted.",
        },
    },
    "required": ["file", "purpose"],
}

_RESOURCE_EXAMPLE: dict[str, Any] = {
    "id": "file-01938f2a5c3e9b1d7f0a6e4c2b8d9a1f",
    "object": "file",
    "bytes": 48_213,
    "created_at": 1_795_000_000,
    "expires_at": None,
    "filename": "whiteboard.png",
    "purpose": "vision",
    "status": "processed",
    "status_details": None,
    "media_type": "image/png",
    "width": 1280,
    "height": 720,
}

CREATE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}},
    "responses": {"200": {"content": {"application/json": {"example": _RESOURCE_EXAMPLE}}}},
}

_IMAGE = {"schema": {"type": "string", "format": "binary"}}

CONTENT: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "The image, as it was uploaded.",
            "content": {f"image/{kind}": _IMAGE for kind in ("png", "jpeg", "gif", "webp")},
        }
    }
}
