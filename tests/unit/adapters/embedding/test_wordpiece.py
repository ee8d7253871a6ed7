"""The tokenizer, held against ids that Hugging Face's `tokenizers` gave for the same file."""

from __future__ import annotations

import pytest
import pytest_asyncio
from tests.support.weights import minilm

from tertulia.adapters.embedding.wordpiece import TooManyTokens, WordPiece, words
from tertulia.errors import ModelUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")

KNOWN = {
    "The cat sits on the mat.": [1996, 4937, 7719, 2006, 1996, 13523, 1012],
    "Crème brûlée, naïve façade — déjà vu! Ωμέγα Σίσυφος": [
        13675, 21382, 7987, 9307, 2063, 1010, 15743, 8508, 1517, 2139, 3900, 24728, 999, 1179,
        29728, 29723, 29721, 14608, 1173, 18199, 29733, 29735, 29736, 15297,
    ],
    "漢字とひらがな、한국어 and 中文。": [
        1904, 100, 1666, 30199, 30211, 30177, 30193, 1635, 1469, 30006, 30021, 29991, 30014,
        30020, 29999, 30008, 1998, 1746, 1861, 1636,
    ],
    "İstanbul ΣΊΣΥΦΟΣ straße ǅ ﬁne": [
        9960, 1173, 18199, 29733, 29735, 29736, 29730, 29733, 2358, 27807, 100, 1984, 2638,
    ],
    f"unbelievably antidisestablishmentarianism {'x' * 101} e.g. don't @#$%": [
        4895, 8671, 2666, 3567, 6321, 3424, 10521, 4355, 7875, 13602, 3672, 12199, 2964, 100,
        1041, 1012, 1043, 1012, 2123, 1005, 1056, 1030, 1001, 1002, 1003,
    ],
    "": [],
    " \t\n\u200b\u0000\ufffd ": [],
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pieces() -> WordPiece:
    weights = await minilm()
    assert weights.companion is not None
    return WordPiece.load(weights.companion.path.read_bytes())


@pytest.mark.parametrize("text", KNOWN, ids=range(len(KNOWN)))
async def test_ids_are_the_sources(pieces: WordPiece, text: str) -> None:
    assert pieces.encode(text, at_most=512) == [101, *KNOWN[text], 102]


async def test_marks_in_a_text_are_text(pieces: WordPiece) -> None:
    assert not {101, 102} & set(pieces.encode("[CLS] and [SEP]", at_most=512)[1:-1])


async def test_a_text_may_be_as_long_as_allowed_and_no_longer(pieces: WordPiece) -> None:
    assert len(pieces.encode("a " * 8, at_most=10)) == 10
    with pytest.raises(TooManyTokens):
        pieces.encode("a " * 9, at_most=10)


async def test_words() -> None:
    assert words("Don't  STOP—now\u00a0É\u0301漢字カナ $5") == [
        "don", "'", "t", "stop", "—", "now", "e", "漢", "字", "カナ", "$", "5",
    ]  # fmt: skip


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"model": {"vocab": {"a": 1}}}', b"\xff"])
async def test_a_damaged_file(data: bytes) -> None:
    with pytest.raises(ModelUnavailable, match="damaged"):
        WordPiece.load(data)
