"""One user's keys, bound to the places their values lie in."""

from __future__ import annotations

from collections.abc import Sequence

from tertulia.errors import DataFolderError
from tertulia.ports.keys import Cipher, UserKeys


class Sealer:
    """Seals and opens the fields of one user's rows."""

    __slots__ = ("_cipher", "keys", "user_id")

    def __init__(self, user_id: str, keys: UserKeys, cipher: Cipher) -> None:
        self.user_id = user_id
        self.keys = keys
        self._cipher = cipher

    def seal(self, table: str, row: str, field: str, plaintext: bytes) -> bytes:
        return self._cipher.seal(self.keys, (self.user_id, table, row, field), plaintext)

    def open(self, table: str, row: str, field: str, sealed: bytes) -> bytes:
        """Raises `DataFolderError` when database and keys do not belong together."""
        try:
            return self._cipher.open(self.keys, (self.user_id, table, row, field), sealed)
        except ValueError as error:
            raise _unopened(table, row, field) from error

    def open_all(self, table: str, field: str, rows: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """The same of many rows, each given with what was sealed for it."""
        opened = self._cipher.opener(self.keys, self.user_id, table, field)
        values: list[bytes] = []
        row = ""
        try:
            for row, sealed in rows:
                values.append(opened(row, sealed))
        except ValueError as error:
            raise _unopened(table, row, field) from error
        return values

    def seal_text(self, table: str, row: str, field: str, text: str | None) -> bytes | None:
        return None if text is None else self.seal(table, row, field, text.encode())

    def open_text(self, table: str, row: str, field: str, sealed: bytes | None) -> str | None:
        return None if sealed is None else self.open(table, row, field, sealed).decode()


def _unopened(table: str, row: str, field: str) -> DataFolderError:
    return DataFolderError(
        f"{table}.{field} of row {row} does not open with the keys at hand: database and "
        "keys are not of one time, or the value was changed. Restore both from the same "
        "backup.",
        code="sealed_value",
    )
