"""A model's words are a stranger's: drawn as Markdown, and unable to do anything."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from tests.e2e.browser.chat import Chat, Person

from tertulia.adapters.model.scripted_rules import MARKDOWN

pytestmark = pytest.mark.e2e

_VIOLATION = re.compile("violates the following Content Security Policy directive")

STRANGER = "http://127.0.0.1:1/z"
#: Each would call somebody, run something or take over the page, if it could.
HOSTILE = """\
![x](http://127.0.0.1:1/x.png) <img src="http://127.0.0.1:1/y.png" onerror="window.hacked=1">
<script>window.hacked = 1</script> <svg onload="window.hacked=1"></svg>
<iframe src="http://127.0.0.1:1/"></iframe> <link rel="stylesheet" href="http://127.0.0.1:1/s.css">
<form action="http://127.0.0.1:1/"><input name="a"></form> <b onclick="window.hacked=1">bold</b>
<style>body { display: none }</style> <div style="background:url(http://127.0.0.1:1/b)">d</div>

[run](javascript:window.hacked=1) [data](data:text/html,hi) [fine](https://example.org/?a=1&b=2)

<img src=x onerror=window.hacked=1>

<script>
window.hacked = 1
</script>

<table background="http://127.0.0.1:1/t.png"><tr><td>cell</td></tr></table>

```"><img src=x onerror=window.hacked=1>
<img src=x onerror=window.hacked=1>
```

The last line."""


@pytest.fixture
def chat(person: Person) -> Chat:
    person.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return person.open()


def _clipboard(chat: Chat) -> str:
    text: str = chat.page.evaluate("navigator.clipboard.readText()")
    return text


def test_headings_lists_tables_and_code(chat: Chat) -> None:
    chat.say("markdown rate=40")
    expect(chat.answer).to_have_attribute("data-status", "completed")
    drawn = chat.answer.locator(".markdown")
    expect(drawn.get_by_role("heading", name="A scripted answer")).to_be_visible()
    expect(drawn.locator("strong")).to_have_text("bold")
    expect(drawn.locator("li code")).to_have_text("code")
    expect(drawn.get_by_role("columnheader")).to_have_text(["word", "means"])
    expect(drawn.get_by_role("cell")).to_have_text(
        ["item", "unit of context", "delta", "piece of text"]
    )
    code = drawn.locator("pre code")
    expect(code.locator(".hljs-keyword").first).to_have_text("def")
    source = MARKDOWN.split("```python\n")[1].split("\n```")[0]
    assert code.text_content() == source
    assert chat.person.stored_text(chat.response_id) == MARKDOWN

    drawing = drawn.inner_html()
    chat.by("copy-code").click()
    expect(chat.by("copy-code")).to_have_attribute("data-copied", "")
    assert _clipboard(chat) == source
    # The message's own button copies what was written, not what was drawn from it.
    chat.answer.get_by_test_id("copy").click()
    expect(chat.answer.get_by_role("button", name="Copied")).to_be_visible()
    assert _clipboard(chat) == MARKDOWN
    chat.page.reload()
    expect(drawn.locator(".hljs-keyword").first).to_be_visible()
    assert drawn.inner_html() == drawing, "streamed and loaded look the same"


@pytest.mark.parametrize("way", ["echo", "rate=200 split"], ids=["at once", "by the character"])
def test_hostile_text_does_nothing(chat: Chat, way: str) -> None:
    """That no stranger was called, and no policy broken, is looked at after every test."""
    chat.say(f"{way}: {HOSTILE}")
    expect(chat.answer).to_have_attribute("data-status", "completed")
    chat.sees("The last line.")
    assert chat.shown()
    drawn = chat.answer.locator(".markdown")
    for forbidden in ("img", "script", "svg", "iframe", "link", "form", "style", "[onclick]"):
        expect(drawn.locator(forbidden)).to_have_count(0)
    assert drawn.locator("[style], [background], [onerror]").count() == 0
    links = drawn.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert links == ["http://127.0.0.1:1/x.png", "https://example.org/?a=1&b=2"]
    for link in drawn.locator("a").all():
        expect(link).to_have_attribute("rel", "noopener noreferrer")
    assert chat.page.evaluate("window.hacked") is None
    # The user's own words are not drawn from Markdown at all.
    expect(chat.questions).to_contain_text("<script>window.hacked = 1</script>")
    # What is stored is what the model wrote: only the drawing is careful.
    assert chat.person.stored_text(chat.response_id).endswith("The last line.")


@pytest.mark.parametrize(
    ("element", "more"),
    [("img", {"src": STRANGER}), ("script", {"src": STRANGER}), ("script", {"text": "hacked = 1"})],
    ids=["picture", "script", "inline script"],
)
def test_the_policy_stops_what_a_renderer_might_let_through(
    chat: Chat, element: str, more: dict[str, str]
) -> None:
    """The second line of defence, tried by putting the element into the page ourselves."""
    chat.person.watch.tolerated.append(_VIOLATION)
    # The browser tells of the request, and then that it was not made.
    chat.person.watch.own.add(urlsplit(STRANGER).netloc)
    failures: list[str | None] = []
    chat.page.on("requestfailed", lambda request: failures.append(request.failure))
    expect(chat.composer).to_be_visible()
    chat.page.evaluate(
        """([element, more]) => new Promise(stopped => {
            document.addEventListener('securitypolicyviolation', stopped, {once: true})
            document.body.append(Object.assign(document.createElement(element), more))
        })""",
        [element, more],
    )
    assert chat.page.evaluate("window.hacked") is None
    assert set(failures) <= {"csp"}
