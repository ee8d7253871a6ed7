"""Pages of a snapshot, put together as the wire page says, are the output."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tertulia.domain.snapshot import pages


def appended(held: list[dict[str, Any]], page: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a client does with a page after the first."""
    known = {item["id"]: item for item in held}
    for more in page:
        before = known.get(more["id"])
        if before is None:
            held.append(more)
            continue
        item = held[held.index(before)] = {**before, **more}
        for name in ("content", "summary"):
            if name in more:
                item[name] = parts(before.get(name, []), more[name])
        if "arguments" in more:
            item["arguments"] = before["arguments"] + more["arguments"]
    return held


def parts(before: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    joined = [{**old, "text": old["text"] + new["text"]} for old, new in zip(before, more)]  # noqa: B905
    return joined + before[len(more) :] + more[len(before) :]


texts = st.text(max_size=30)
message = texts.map(lambda t: [{"type": "output_text", "text": t, "annotations": []}])
items = st.one_of(
    st.builds(
        lambda content: {"type": "message", "role": "assistant", "content": content},
        st.lists(message, max_size=3).map(lambda found: [p for one in found for p in one]),
    ),
    st.builds(lambda t: {"type": "function_call", "name": "f", "arguments": t}, texts),
    st.builds(
        lambda t, s: {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": s}],
            "content": [{"type": "reasoning_text", "text": t}],
        },
        texts,
        texts,
    ),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(items, max_size=5), st.integers(1, 25))
def test_pages_make_the_output(output: list[dict[str, Any]], size: int) -> None:
    numbered = [{**item, "id": f"item_{n}"} for n, item in enumerate(output)]
    cut = pages(numbered, size)
    assert len(cut) >= 1
    for page in cut:
        assert sum(length(item) for item in page) <= size
    held: list[dict[str, Any]] = list(cut[0])
    for page in cut[1:]:
        held = appended(held, page)
    assert held == numbered


def length(item: dict[str, Any]) -> int:
    text = "".join(part["text"] for part in item.get("content", []))
    return len(text) + len(item.get("arguments", ""))


def test_nothing_is_one_empty_page() -> None:
    assert pages([], 10) == [[]]
