"""The web client as a test speaks of it: a person, the tabs they open, and what they see there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect
from tests.e2e.server import Server, events

PASSWORD = "correct horse battery"

#: What a browser itself says of a server that is away; the page can do nothing about it.
NO_NETWORK = re.compile(
    r"net::ERR_(CONNECTION|CONTENT_LENGTH|INTERNET|EMPTY|NETWORK|SOCKET)"
    r"|WebSocket connection to '[^']*' failed"
)
#: A visitor without a login asks for one with the cookie that may be there.
NOT_SIGNED_IN = re.compile(r"status of 401 .*/auth/refresh")

_RENDERED = "all => all.map(one => one.textContent).join('')"

#: Keeps all that the newest answer has ever looked like; a reload would wipe it out.
_WATCH = """() => {
    window.drawn = []
    const look = () => {
        const answer = [...document.querySelectorAll('[data-testid=message-assistant]')].at(-1)
        if (answer === undefined) return
        const parts = [...answer.querySelectorAll('.markdown, .plain')]
        const text = parts.map(one => one.textContent).join('')
        const id = answer.dataset.responseId
        const last = window.drawn.at(-1)
        if (last?.id !== id || last.text !== text) window.drawn.push({ id, text })
    }
    const everything = { subtree: true, childList: true, characterData: true }
    new MutationObserver(look).observe(document.body, everything)
}"""


def numbered(count: int) -> str:
    """What the scripted model answers to ``chunks=<count>``."""
    return " ".join(f"w{n}" for n in range(count))


@dataclass
class Watch:
    """All that a page must not do behind the test's back: complain, or call a stranger."""

    own: set[str]
    tolerated: list[re.Pattern[str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def of(self, context: BrowserContext) -> None:
        context.on("console", self._said)
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        context.on("request", self._requested)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        said = f"{message.text} {message.location['url']}"
        if not any(pattern.search(said) for pattern in self.tolerated):
            self.complaints.append(said)

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc not in self.own:
            self.complaints.append(f"request to {request.url}")


class Person:
    """Somebody with an account and one browser; every tab they open shares its cookies."""

    def __init__(self, server: Server, context: BrowserContext, watch: Watch) -> None:
        self.server = server
        self.context = context
        self.watch = watch
        self.email = ""
        self.token = ""

    def register(self, email: str) -> Person:
        """Get an account and be signed in, without the form."""
        answer = self.context.request.post(
            f"{self.server.url}/auth/register", data={"email": email, "password": PASSWORD}
        )
        assert answer.status == 201, answer.text()
        self.email = email
        self.token = answer.json()["access_token"]
        return self

    def open(self, path: str = "/", base: str | None = None) -> Chat:
        """A new tab; ``base`` if it reaches the server by another way."""
        chat = Chat(self, self.context.new_page())
        chat.page.goto((base or self.server.url) + path)
        return chat

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Ask the server beside the browser."""
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
            answer = client.request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def tree(self, conversation_id: str) -> list[Any]:
        responses: list[Any] = self.api("GET", f"/v1/conversations/{conversation_id}/tree")[
            "responses"
        ]
        return responses

    def conversations(self) -> list[Any]:
        listed: list[Any] = self.api("GET", "/v1/conversations")["data"]
        return listed

    def stored_text(self, response_id: str) -> str:
        """The text of an answer as the server keeps it."""
        stored = self.api("GET", f"/v1/responses/{response_id}")
        return "".join(
            part["text"]
            for item in stored["output"]
            if item["type"] == "message"
            for part in item["content"]
        )

    def wait_for_word(self, response_id: str, word: str) -> None:
        """Wait until the server has written a word, whatever the browser sees of it."""
        text = ""
        with (
            httpx.Client(base_url=self.server.url, timeout=30) as client,
            client.stream(
                "GET",
                f"/v1/responses/{response_id}",
                params={"stream": "true"},
                headers={"authorization": f"Bearer {self.token}"} if self.token else {},
            ) as stream,
        ):
            for event in events(stream):
                text += str(event.get("delta", ""))
                if f"{word} " in text:
                    return
        raise AssertionError(f"the answer ended without {word}: {text[-200:]}")


class Chat:
    """One tab."""

    def __init__(self, person: Person, page: Page) -> None:
        self.person = person
        self.page = page

    def by(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    @property
    def composer(self) -> Locator:
        return self.by("composer")

    @property
    def questions(self) -> Locator:
        return self.by("user-text")

    @property
    def answers(self) -> Locator:
        return self.by("message-assistant")

    @property
    def answer(self) -> Locator:
        """The newest."""
        return self.answers.last

    @property
    def conversation_id(self) -> str:
        self.page.wait_for_url("**/c/conv_*")
        return urlsplit(self.page.url).path.removeprefix("/c/")

    @property
    def response_id(self) -> str:
        found = self.answer.get_attribute("data-response-id")
        assert found is not None
        return found

    def say(self, text: str) -> None:
        self.composer.fill(text)
        # Not before the page has read what was said so far, and which models there are.
        expect(self.by("send")).to_be_enabled()
        self.composer.press("Enter")

    def ask(self, text: str) -> str:
        """Say something and wait for the whole answer."""
        self.composer.fill(text)
        expect(self.by("send")).to_be_enabled()
        before = self.answers.count()
        self.composer.press("Enter")
        expect(self.answers).to_have_count(before + 1)
        return self.finished()

    def sees(self, text: str | re.Pattern[str]) -> None:
        """Wait until the newest answer holds this."""
        expect(self.answer).to_contain_text(text)

    def shown(self) -> str:
        """The newest answer as it is drawn."""
        # The renderer of Markdown comes a moment after the page.
        expect(self.answer.locator(".plain")).to_have_count(0)
        text: str = self.answer.locator(".markdown").evaluate_all(_RENDERED)
        return text

    def ended(self, status: str) -> str:
        """Wait for the end of the newest answer, and for what is drawn to be what is stored."""
        expect(self.answer).to_have_attribute("data-status", status)
        shown = self.shown()
        stored = self.person.stored_text(self.response_id)
        assert shown == stored, f"drawn: {shown!r}\nstored: {stored!r}"
        return shown

    def finished(self) -> str:
        return self.ended("completed")

    def is_writing(self) -> bool:
        """Whether the server is still at the newest answer."""
        stored = self.person.api("GET", f"/v1/responses/{self.response_id}")
        return stored["status"] in {"queued", "in_progress"}

    def mark(self) -> None:
        """Have the page remember, from now on, each text it has drawn."""
        self.page.evaluate(_WATCH)

    @property
    def unbroken(self) -> bool:
        """Whether the page is the one that was marked, and each answer in it has only grown:
        nothing was drawn twice, taken back, or drawn out of turn, not even for a moment."""
        drawn = self.page.evaluate("window.drawn ?? null")
        return drawn is not None and all(
            later["text"].startswith(earlier["text"])
            for earlier, later in pairwise(drawn)
            if earlier["id"] == later["id"]
        )

    @property
    def steps(self) -> int:
        """How many texts the marked page has drawn."""
        count: int = self.page.evaluate("window.drawn.length")
        return count

    @property
    def focused(self) -> str:
        """The test id, or else the label, of what has the focus."""
        found: str = self.page.evaluate(
            "(document.activeElement?.dataset.testid"
            " ?? document.activeElement?.getAttribute('aria-label') ?? '')"
        )
        return found
