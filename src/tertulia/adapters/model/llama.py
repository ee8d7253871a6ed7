"""llama.cpp inside this process, by way of xllamacpp.

xllamacpp always brings llama.cpp's own HTTP server along. It is made to listen on a Unix socket
in a folder of our own, with a key that nobody else knows, and that is also how we talk to it:
the callback interface would need a blocked thread for each answer, could be cancelled only at a
token and not while a prompt is read, and threads that sit in C++ when the interpreter ends
bring the process down.
"""

from __future__ import annotations

import http.client
import secrets
import shutil
import socket
import tempfile
import weakref
from pathlib import Path
from typing import Any

import msgspec

from tertulia.errors import ModelUnavailable

#: Prompt tokens computed at a time. What is larger makes the other answers stutter while a long
#: prompt is read, and cancelling it slow; what is smaller reads prompts more slowly.
_BATCH = 256

_ANSWER_SECONDS = 60.0


class Llama:
    """One loaded model. Making it blocks, and holds the interpreter's lock while it does."""

    def __init__(self, path: Path, *, threads: int, parallel: int, window: int) -> None:
        """``window``: tokens of each of the ``parallel`` answers, prompt included.

        Raises:
            ModelUnavailable: the file is no model that llama.cpp can run, or memory is short.
        """
        import xllamacpp

        self._folder = Path(tempfile.mkdtemp(prefix="tertulia-"))
        # Also at the interpreter's end, and where the load fails.
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.socket = str(self._folder / "llama.sock")
        self.key = secrets.token_urlsafe(32)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.hostnames = [self.socket]
        params.api_keys = [self.key]
        params.ui = False
        params.endpoint_slots = False
        # Nothing is written to stderr: from level 5 on that would be the words of the answers.
        params.verbosity = 0
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.n_parallel = parallel
        params.n_ctx = window * parallel
        params.n_batch = _BATCH
        params.n_ubatch = _BATCH
        # The default keeps up to 8 GiB of earlier prompts in memory.
        params.cache_ram_mib = 0
        # These two prolong the time in which nothing else of this process runs.
        params.warmup = False
        params.fit_params = False
        try:
            self._server: Any = xllamacpp.Server(params)
            # The server says it is there before its loop runs, and one that is ended before
            # that never ends. A first token proves that it runs.
            self._post("/completion", {"prompt": "a", "n_predict": 1})
        except (RuntimeError, OSError, http.client.HTTPException, msgspec.DecodeError):
            raise ModelUnavailable(
                f"{path.name} cannot be loaded: it is damaged, of a kind that this version of "
                "xllamacpp does not know, or memory is short."
            ) from None

    def count_tokens(self, text: str) -> int:
        """Exact; blocks for some 0.3 ms, and 1 ms more for each 1,000 characters.

        Raises:
            ModelUnavailable: the model was closed.
        """
        try:
            answer = self._post("/tokenize", {"content": text, "parse_special": False})
            return len(answer["tokens"])
        except (OSError, http.client.HTTPException, msgspec.DecodeError, KeyError) as error:
            raise ModelUnavailable("The local model was stopped.") from error

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        connection = _UnixConnection(self.socket)
        try:
            connection.request(
                "POST",
                path,
                msgspec.json.encode(body),
                {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            )
            return msgspec.json.decode(connection.getresponse().read())
        finally:
            connection.close()

    def close(self) -> None:
        """Stop what is being generated and free the memory; blocks until both are done."""
        self._server = None
        shutil.rmtree(self._folder, ignore_errors=True)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
