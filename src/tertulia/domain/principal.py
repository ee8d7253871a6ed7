"""The authenticated actor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UserRole = Literal["user", "admin"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts, how they were recognised, and what they may do."""

    user_id: str
    role: UserRole = "user"
    #: The login (refresh family) of a browser, or the API key; None with ``--no-auth``.
    login_id: str | None = None
    key_id: str | None = None
    #: Unix seconds after which a live connection must show a newer token; None: never.
    expires_at: float | None = None

    @property
    def admin(self) -> bool:
        return self.role == "admin"
