"""What the scripted model answers: the grammar of its ids and of the messages that steer it.

**Ids.** ``scripted`` follows the rules below. ``scripted-<chunks>x<rate>`` writes that many
words, ``w0 w1 w2 …``, so many a second (rate 0: at once): the k-th chunk is ``w<k>``, with a
space before it from the second on. Either may end in ``-portable``: a model that declares no
prefill and, told by a message to go on after an unfinished list of words, repeats the last two
of them first, as real models do.

**Rules.** The last user message steers ``scripted`` if it consists of nothing but these words,
in any order, with an optional text at the end; any other message is answered with
``Scripted answer to: <message>``, and if there are images by the kind and size of each. What was
said before shows: ``Scripted answer after: <earlier message> to: <message>``.

**Tools.** It calls those that the message mentions, see `scripted_tools`. Once they have answered
it says what.

**Reasoning.** Asked for an effort it thinks that long first, in words ``t0 t1 t2 …`` that count as
tokens: 10 (minimal), 40 (low), 80 (medium), 160 (high), 320 (xhigh).

=================== =======================================================================
``chunks=N``        answer with the words ``w0`` … ``w<N-1>``
``rate=R``          R chunks a second (default 0: at once)
``delay=S``         S seconds before the first chunk
``markdown``        answer with a heading, a list, a table and a code sample
``think``           reasoning before the answer
``length``          end with reason ``length`` (also: ``filter``, reason ``content_filter``)
``fail at N``       break off with `ModelUnavailable` after chunk N, unless a prefix holds it
``hang``            never answer (``hang at N``: fall silent after chunk N, as above)
``error KIND``      fail before the first chunk; KIND: 400 401 404 429 500 503 context garbage
``no tools``        answer in text although tools are offered
``calls=N``         call the first N offered tools side by side
``rounds=N``        call tools N times, one answer's calls after the other's outputs
``echo: TEXT``      answer with TEXT, a chunk a word
``split: TEXT``     answer with TEXT, a chunk a character
=================== =======================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tertulia.errors import (
    ContextTooLong,
    ModelGarbage,
    ModelRateLimited,
    ModelRefused,
    ModelUnauthorized,
    ModelUnavailable,
    TertuliaError,
)
from tertulia.ports.model import FinishReason

_ID = re.compile(r"scripted(?:-(\d{1,6})x(\d{1,6}))?(-portable)?")
_RULE = re.compile(
    r"\s*(?:"
    r"chunks=(?P<chunks>\d{1,6})|rate=(?P<rate>\d+(?:\.\d+)?)|delay=(?P<delay>\d+(?:\.\d+)?)"
    r"|fail at (?P<fail>\d+)|hang(?: at (?P<hang>\d+))?|error (?P<error>\w+)|calls=(?P<calls>\d)"
    r"|rounds=(?P<rounds>\d)"
    r"|(?P<flag>markdown|think|length|filter|no tools)"
    r"|(?P<verb>echo|split):[ ]?(?P<text>.*)"
    r")(?=\s|$)",
    re.DOTALL,
)
_LAST_WORD = re.compile(r"w(\d+)\s*$")

MARKDOWN = """\
## A scripted answer

It shows what a client has to render:

- a list with **bold** and `code`
- a table

| word | means |
| --- | --- |
| item | unit of context |
| delta | piece of text |

```python
def greet(name: str) -> str:
    return f"Hello, {name}!"
```

The end.
"""

#: The words it thinks, by effort.
EFFORTS = {"minimal": 10, "low": 40, "medium": 80, "high": 160, "xhigh": 320}

THOUGHTS = "First the question. Then the answer."


@dataclass(frozen=True, slots=True)
class Script:
    """One answer, as the rules ask for it. ``rate`` in chunks a second, ``delay`` in seconds."""

    chunks: tuple[str, ...] = ()
    rate: float = 0.0
    delay: float = 0.0
    reason: FinishReason = "stop"
    thoughts: tuple[str, ...] = ()
    fail_at: int | None = None
    hang_at: int | None = None
    error: str | None = None
    use_tools: bool = True
    #: How many tools it calls at once; None leaves it to the request.
    calls: int | None = None
    rounds: int = 1
    #: The message steered nothing: it is answered by the default sentence.
    default: bool = False


@dataclass(frozen=True, slots=True)
class ScriptedId:
    """What a scripted model's id says; ``chunks`` is None for the one that follows rules."""

    chunks: int | None
    rate: float
    portable: bool


def parse_id(model_id: str) -> ScriptedId | None:
    """None if it is not the id of a scripted model."""
    match = _ID.fullmatch(model_id)
    if match is None or match[1] == "0":
        return None
    return ScriptedId(
        chunks=int(match[1]) if match[1] else None,
        rate=float(match[2] or 0),
        portable=match[3] is not None,
    )


def numbered(count: int, letter: str = "w") -> tuple[str, ...]:
    """``w0``, `` w1``, … : joined they end without a space."""
    return tuple(f" {letter}{i}" if i else f"{letter}0" for i in range(count))


def words(text: str) -> tuple[str, ...]:
    """``text`` cut before the white space between its words; joined it is ``text`` again."""
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def before_stop(chunks: tuple[str, ...], stops: Sequence[str]) -> tuple[str, ...]:
    """``chunks`` up to where the first of ``stops`` begins; themselves if they hold none."""
    text = "".join(chunks) if stops else ""
    found = [at for at in map(text.find, stops) if at >= 0]
    if not found:
        return chunks
    left, kept = min(found), []
    for chunk in chunks:
        if left <= 0:
            break
        kept.append(chunk[:left])
        left -= len(chunk)
    return tuple(kept)


def parse_rules(message: str, earlier: str = "") -> Script:
    """The script that the last user message asks for; ``earlier`` is the one before it."""
    script = Script()
    text: tuple[str, ...] = ()
    position = 0
    while message[position:].strip():
        match = _RULE.match(message, position)
        if match is None:
            after = f" after: {earlier}" if earlier else ""
            return Script(chunks=words(f"Scripted answer{after} to: {message}"), default=True)
        position = match.end()
        if match["verb"]:
            text = tuple(match["text"]) if match["verb"] == "split" else words(match["text"])
        elif match["chunks"]:
            text = numbered(int(match["chunks"]))
        elif match["flag"] == "markdown":
            text = words(MARKDOWN)
        else:
            script = _with_rule(script, match)
    return replace(script, chunks=text or words("Scripted answer."))


def _with_rule(script: Script, match: re.Match[str]) -> Script:
    if match["rate"]:
        return replace(script, rate=float(match["rate"]))
    if match["delay"]:
        return replace(script, delay=float(match["delay"]))
    if match["fail"]:
        return replace(script, fail_at=int(match["fail"]))
    if match["error"]:
        return replace(script, error=match["error"])
    if match["calls"]:
        return replace(script, calls=int(match["calls"]))
    if match["rounds"]:
        return replace(script, rounds=int(match["rounds"]))
    flag = match["flag"]
    if flag == "think":
        return replace(script, thoughts=words(THOUGHTS))
    if flag == "no tools":
        return replace(script, use_tools=False)
    if flag == "length":
        return replace(script, reason="length")
    if flag == "filter":
        return replace(script, reason="content_filter")
    return replace(script, hang_at=int(match["hang"] or 0))


def after_prefix(chunks: tuple[str, ...], prefix: str) -> tuple[int, tuple[str, ...]]:
    """How many chunks ``prefix`` already holds, and those still to come.

    A prefix that ends within a chunk leaves the rest of that chunk; one that is no beginning of
    the answer, but ends in a word ``w<k>``, is followed by chunk k+1; any other by the whole.
    """
    held = 0
    length = 0
    for chunk in chunks:
        if length + len(chunk) > len(prefix):
            break
        length += len(chunk)
        held += 1
    if "".join(chunks).startswith(prefix):
        rest = chunks[held:]
        if length < len(prefix):
            rest = (chunks[held][len(prefix) - length :], *chunks[held + 1 :])
        return held, rest
    match = _LAST_WORD.search(prefix)
    if match is not None:
        held = int(match[1]) + 1
        return held, chunks[held:]
    return 0, chunks


def error_of(kind: str) -> TertuliaError:
    """The error that ``error KIND`` asks for; an unknown kind is a garbled answer."""
    match kind:
        case "400":
            return ModelRefused("the scripted model was told to refuse")
        case "401":
            return ModelUnauthorized("the scripted model was told to refuse the key")
        case "404":
            return ModelRefused("the scripted model was told not to exist", code="model_not_found")
        case "429":
            return ModelRateLimited("the scripted model was told to be busy", retry_after=1.0)
        case "500" | "503":
            return ModelUnavailable("the scripted model was told to be down")
        case "context":
            return ContextTooLong("the scripted model was told that the conversation is too long")
    return ModelGarbage("the scripted model was told to answer garbage")
