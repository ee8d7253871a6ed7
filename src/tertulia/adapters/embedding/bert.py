"""BERT's encoder in numpy, and the sentence vector made of what it says.

Tokens of several texts stand below each other in one matrix, without padding: all but attention
treats each token by itself, so the large products are of the whole batch and no work is wasted.

Source: Devlin et al., arXiv:1810.04805; mean pooling and unit length as `sentence-transformers` has
them for all-MiniLM-L6-v2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

#: The heads of all-MiniLM-L6-v2; the tensors tell every other size.
_HEADS = 12
_EPSILON = np.float32(1e-12)

# Abramowitz & Stegun 7.1.26: erf to 1.5e-7, float32's own precision.
_P = np.float32(0.3275911)
_A = [np.float32(a) for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)]


class Bert:
    """Pure computation over the tensors it is given."""

    def __init__(self, tensors: Mapping[str, Matrix], heads: int = _HEADS) -> None:
        self._tensors = tensors
        self._heads = heads
        self._layers = sum(name.endswith("attention.self.query.weight") for name in tensors)
        # All texts are of the first of two kinds, so its row goes with every position.
        self._places: Matrix = (
            tensors["embeddings.position_embeddings.weight"]
            + tensors["embeddings.token_type_embeddings.weight"][0]
        )

    def __call__(self, texts: Sequence[Sequence[int]]) -> Matrix:
        """One unit vector a text, given the ids of its tokens (at least one each)."""
        ends = list(accumulate((len(ids) for ids in texts), initial=0))
        spans = [slice(start, end) for start, end in pairwise(ends)]
        x = self._tensors["embeddings.word_embeddings.weight"][[i for ids in texts for i in ids]]
        for span in spans:
            x[span] += self._places[: span.stop - span.start]
        x = self._normed("embeddings.LayerNorm", x)
        for number in range(self._layers):
            layer = f"encoder.layer.{number}"
            attended = self._attend(f"{layer}.attention.self", x, spans)
            attended = self._dense(f"{layer}.attention.output.dense", attended)
            x = self._normed(f"{layer}.attention.output.LayerNorm", attended + x)
            inner = _gelu(self._dense(f"{layer}.intermediate.dense", x))
            x = self._normed(
                f"{layer}.output.LayerNorm", self._dense(f"{layer}.output.dense", inner) + x
            )
        means = np.stack([x[span].mean(axis=0) for span in spans])
        unit: Matrix = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit

    def _dense(self, name: str, x: Matrix) -> Matrix:
        y: Matrix = x @ self._tensors[f"{name}.weight"].T
        y += self._tensors[f"{name}.bias"]
        return y

    def _normed(self, name: str, x: Matrix) -> Matrix:
        x = x - x.mean(axis=1, keepdims=True)
        x /= np.sqrt(np.square(x).mean(axis=1, keepdims=True) + _EPSILON)
        x *= self._tensors[f"{name}.weight"]
        x += self._tensors[f"{name}.bias"]
        return x

    def _attend(self, name: str, x: Matrix, spans: Sequence[slice]) -> Matrix:
        """Every token looks at those of its own text only."""
        query, key, value = (self._dense(f"{name}.{part}", x) for part in ("query", "key", "value"))
        query /= np.float32(math.sqrt(x.shape[1] // self._heads))
        attended = np.empty_like(x)
        for span in spans:
            q, k, v = (self._by_head(part[span]) for part in (query, key, value))
            scores = q @ k.transpose(0, 2, 1)
            scores -= scores.max(axis=2, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=2, keepdims=True)
            attended[span] = (scores @ v).transpose(1, 0, 2).reshape(-1, x.shape[1])
        return attended

    def _by_head(self, x: Matrix) -> Matrix:
        """Head, token, number of that head."""
        return x.reshape(len(x), self._heads, -1).transpose(1, 0, 2)


def _gelu(x: Matrix) -> Matrix:
    """x·Φ(x), exact to float32 (the model was not trained with the tanh approximation)."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + _P * z)
    tail = _A[0] * t
    for a in _A[1:]:
        tail += a
        tail *= t
    np.square(z, out=z)
    tail *= np.exp(-z)
    # tail = 1 - erf(|x|/√2), so Φ(|x|) = 1 - tail/2 and Φ(-|x|) = tail/2.
    tail *= np.float32(0.5)
    phi: Matrix = np.where(x < 0, tail, 1 - tail)
    phi *= x
    return phi
