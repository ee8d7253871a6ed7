from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.support.logs import quiet_again

from tertulia import telemetry
from tertulia.errors import NotFound, Unavailable

CANARY = "canary-19c2-words"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with quiet_again():
        telemetry.configure(form="json", stream=out)
        yield out
    assert CANARY not in out.getvalue()


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def quotes() -> None:
    raise ValueError(CANARY)


def finds_nothing() -> None:
    try:
        quotes()
    except ValueError as cause:
        raise NotFound(f"There is no {CANARY}.", code="not_here") from cause


def fault() -> Exception:
    """An exception that quotes what somebody said, as does its cause."""
    try:
        finds_nothing()
    except NotFound as raised:
        return raised
    raise AssertionError


def test_a_line_is_json_with_time_and_level(log: io.StringIO) -> None:
    structlog.get_logger("x").info("begun", port=8484, text="Grüße")
    (line,) = lines(log)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "begun", "level": "info", "port": 8484, "text": "Grüße"}


def test_below_the_level_nothing_is_written(log: io.StringIO) -> None:
    structlog.get_logger("x").debug("quiet")
    assert lines(log) == []


@pytest.mark.parametrize("form", ["json", "console"])
def test_exceptions_are_told_by_type_code_and_stack(form: Any) -> None:
    out = io.StringIO()
    with quiet_again():
        telemetry.configure(form=form, stream=out)
        structlog.get_logger("x").error("failed", exc_info=fault())
        try:
            raise fault()
        except NotFound:
            structlog.get_logger("x").exception("failed again")
    said = out.getvalue()
    assert CANARY not in said
    assert said.count("tertulia.errors.NotFound(not_here)") == 2
    assert said.count("builtins.ValueError") == 2
    assert "test_telemetry.py:" in said


def test_chains_and_stacks_are_cut() -> None:
    def deep(levels: int) -> None:
        if levels == 0:
            raise Unavailable("x")
        try:
            deep(levels - 1)
        except Exception as cause:
            raise RuntimeError(CANARY) from cause

    with pytest.raises(RuntimeError) as caught:
        deep(50)
    told = telemetry.describe(caught.value)
    assert len(told["fault"]) == telemetry.CAUSES
    assert len(told["frames"]) <= telemetry.STACK_FRAMES


def test_a_cause_that_was_hidden_stays_hidden() -> None:
    def hides() -> None:
        try:
            quotes()
        except ValueError:
            raise NotFound("x") from None

    with pytest.raises(NotFound) as caught:
        hides()
    assert telemetry.describe(caught.value)["fault"] == ["tertulia.errors.NotFound(not_found)"]


def test_libraries_are_quoted_by_template_only(log: io.StringIO) -> None:
    library = logging.getLogger("some.library")
    library.warning("could not read %r", CANARY)
    library.warning(f"could not read {CANARY}")
    library.info("reading %s", CANARY)
    try:
        raise fault()
    except NotFound:
        library.exception("failed on %s", CANARY)
    template, bare, failed = lines(log)
    assert template["event"] == "could not read %r"
    assert bare["event"] == "a library logged"
    assert bare["logger"] == "some.library"
    assert "test_telemetry.py:" in bare["where"]
    assert failed["event"] == "failed on %s"
    assert failed["fault"][0] == "tertulia.errors.NotFound(not_here)"


def test_uvicorn_logs_through_us_and_no_access_lines(log: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").warning("%s", CANARY)
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "x", CANARY)
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=fault())
    (line,) = lines(log)
    assert line["logger"] == "uvicorn.error"
    assert line["fault"][0] == "tertulia.errors.NotFound(not_here)"


def test_lines_that_cannot_be_written_cost_nobody_anything() -> None:
    with quiet_again(), Path("/dev/full").open("w") as full:
        telemetry.configure(stream=full, form="json")
        structlog.get_logger("test").info("lost", response_id="resp_1")
        logging.getLogger("library").warning("lost %s", 1)
        with suppress(OSError):
            full.close()


async def test_tasks_that_nobody_awaits(log: io.StringIO) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    telemetry.watch_loop(loop)
    try:
        loop.call_exception_handler(
            {
                "message": "Task exception was never retrieved",
                "exception": fault(),
                "future": CANARY,
            }
        )
        loop.call_exception_handler({"message": "Something else"})
    finally:
        loop.set_exception_handler(before)
    first, second = lines(log)
    assert first["problem"] == "Task exception was never retrieved"
    assert first["fault"][0] == "tertulia.errors.NotFound(not_here)"
    assert "fault" not in second


async def test_a_callback_that_fails_is_named_without_what_it_was_called_with(
    log: io.StringIO,
) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    telemetry.watch_loop(loop)

    def fails(_text: str) -> None:
        raise fault()

    try:
        loop.call_soon(fails, CANARY)
        loop.call_soon(partial(fails, CANARY))
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(before)
    assert CANARY not in log.getvalue()
    assert all(line["problem"].startswith("Exception in callback") for line in lines(log))
    assert len(lines(log)) == 2


def test_what_nobody_caught(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    raised = fault()
    sys.excepthook(type(raised), raised, raised.__traceback__)
    worker = threading.Thread(target=_fail, name="worker")
    threading.excepthook(
        threading.ExceptHookArgs((type(raised), raised, raised.__traceback__, worker))
    )
    assert [line["event"] for line in lines(log)] == [
        "uncaught failure",
        "uncaught failure in a thread",
    ]
    assert lines(log)[1]["thread"] == "worker"
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert len(lines(log)) == 2
    assert CANARY not in capsys.readouterr().err


def _fail() -> None:
    raise fault()


def test_a_finaliser_that_fails(log: io.StringIO) -> None:
    class Unlucky:
        def __del__(self) -> None:
            raise fault()

    unlucky = Unlucky()
    del unlucky
    (line,) = lines(log)
    assert line["event"] == "unraisable failure"
