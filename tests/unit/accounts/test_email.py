from __future__ import annotations

import pytest

from tertulia.accounts.email import normalised
from tertulia.accounts.service import LOCAL_EMAIL
from tertulia.errors import Unprocessable


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("ann@example.org", "ann@example.org"),
        ("  Ann@Example.ORG\n", "ann@example.org"),
        ("ann+chat@localhost", "ann+chat@localhost"),
        ("o'neil@sub.example.org", "o'neil@sub.example.org"),
        ("ÄNNE@Bücher.example", "änne@bücher.example"),
        ("a\u0308@x.example", "ä@x.example"),
    ],
)
def test_addresses_compare_by_their_plain_form(given: str, plain: str) -> None:
    assert normalised(given) == plain


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@@example.org",
        "ann@example..org",
        "ann@.example.org",
        "ann@example.org.",
        "an n@example.org",
        "ann@exam ple.org",
        "ann@example.org\x00",
        "ann\u202e@example.org",
        "<ann@example.org>",
        "ann@example.org,ben@example.org",
        "x" * 65 + "@example.org",
        "ann@" + "x" * 251,
        LOCAL_EMAIL,
    ],
)
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        normalised(given)
    assert (caught.value.code, caught.value.param) == ("invalid_email", "email")
