"""A file that a user has uploaded, without its content."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Purpose = Literal["vision", "user_data", "assistants"]


class File(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix seconds on the store's clock."""

    id: str
    user_id: str
    purpose: Purpose
    #: As the client named it; for people only.
    name: str
    media_type: str
    #: Pixels.
    width: int
    height: int
    #: Size of the content.
    bytes: int
    created_at: float = 0.0
    #: None: kept until it is deleted.
    expires_at: float | None = None

    def resource(self) -> dict[str, Any]:
        """OpenAI's ``FileObject`` (and our ``media_type``, ``width``, ``height``)."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": int(self.created_at),
            "expires_at": None if self.expires_at is None else int(self.expires_at),
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
            "media_type": self.media_type,
            "width": self.width,
            "height": self.height,
        }
