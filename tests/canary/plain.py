"""`tertulia` with a cipher that seals nothing: the control of the canary test, and nothing else."""

from collections.abc import Callable

from tertulia.bootstrap import storage
from tertulia.cli import main
from tertulia.ports.keys import UserKeys


class Plain:
    def seal(self, keys: UserKeys, context: tuple[str, ...], plaintext: bytes) -> bytes:
        return plaintext

    def open(self, keys: UserKeys, context: tuple[str, ...], sealed: bytes) -> bytes:
        return sealed

    def opener(
        self, keys: UserKeys, user_id: str, table: str, field: str
    ) -> Callable[[str, bytes], bytes]:
        return lambda _row, sealed: sealed


if __name__ == "__main__":
    vars(storage)["AesGcmCipher"] = Plain
    main()
