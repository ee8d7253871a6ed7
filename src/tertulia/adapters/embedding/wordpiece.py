"""BERT's tokenizer for uncased models: clean, split into words, cut words into known pieces.

Source: Hugging Face's `tokenizers` (``BertNormalizer``, ``BertPreTokenizer``, ``WordPiece``), whose
ids it gives. One difference is meant: ``[SEP]`` and its like in a text are mere text. Another is
Unicode's: the source's tables are older, and a few hundred rare marks were not known to them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import msgspec

from tertulia.errors import ModelUnavailable

#: A longer word is unknown as a whole.
_LONGEST_WORD = 100

#: Ideographs are words of their own; kana and hangul are not. The gap before 2B920 is the source's.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class TooManyTokens(Exception):
    """The text has more tokens than were allowed."""


class _Model(msgspec.Struct):
    vocab: dict[str, int]


class _File(msgspec.Struct):
    model: _Model


class _Clean(dict[int, str]):
    """For `str.translate`: drops controls, makes every space one, sets ideographs apart."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char in "\t\n\r" or char.isspace():
            found = "" if _is_other(char) and char not in "\t\n\r" else " "
        elif code == 0xFFFD or _is_other(char):
            found = ""
        elif any(low <= code <= high for low, high in _IDEOGRAPHS):
            found = f" {char} "
        else:
            found = char
        self[code] = found
        return found


class _Fold(dict[int, str]):
    """For `str.translate`, after NFD: drops accents, lowers, sets punctuation apart."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if kind == "Mn":
            found = ""
        elif kind.startswith("P") or (code < 128 and kind.startswith("S")):
            found = f" {char} "
        else:
            found = char.lower()
        self[code] = found
        return found


def _is_other(char: str) -> bool:
    """Controls, formats, private use, half pairs. What Unicode does not know yet is kept, so that
    ids do not depend on the Python that runs this."""
    return unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs")


_CLEAN, _FOLD = _Clean(), _Fold()


def words(text: str) -> list[str]:
    """The words of ``text`` as the vocabulary spells them; punctuation marks are words."""
    cleaned = text.translate(_CLEAN)
    if not cleaned.isascii():
        cleaned = unicodedata.normalize("NFD", cleaned)
    return cleaned.translate(_FOLD).split()


class WordPiece:
    """Holds the vocabulary; keeps nothing of what it was given."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._ids = vocabulary
        self._start, self._end = vocabulary["[CLS]"], vocabulary["[SEP]"]
        self._unknown = vocabulary["[UNK]"]

    @classmethod
    def load(cls, data: bytes) -> WordPiece:
        """From the bytes of a ``tokenizer.json``.

        Raises:
            ModelUnavailable: they are not such a file.
        """
        try:
            return cls(msgspec.json.decode(data, type=_File).model.vocab)
        except (msgspec.DecodeError, KeyError):
            raise ModelUnavailable("The embedding model's tokenizer.json is damaged.") from None

    def encode(self, text: str, *, at_most: int) -> list[int]:
        """Ids of the pieces, between the marks of beginning and end, which count too.

        Raises:
            TooManyTokens: there are more than ``at_most``; no more than those are made.
        """
        ids = [self._start]
        for word in words(text):
            known = self._ids.get(word)
            if known is not None:
                ids.append(known)
            else:
                ids += self._pieces(word)
            if len(ids) >= at_most:
                raise TooManyTokens
        ids.append(self._end)
        return ids

    def _pieces(self, word: str) -> list[int]:
        """The longest known piece first, then the longest that goes on; all or nothing."""
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        found: list[int] = []
        start, mark = 0, ""
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self._ids.get(mark + word[start:end])
                if piece is not None:
                    break
            else:
                return [self._unknown]
            found.append(piece)
            start, mark = end, "##"
        return found
