"""One class per section of the settings; every field says what it means, with its unit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode


def split(value: object) -> object:
    """A list written in one environment variable: ``a, b``."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def in_order(value: object) -> object:
    """A list written as numbered variables: ``…__0__NAME``, ``…__1__NAME``."""
    if isinstance(value, dict) and value and all(str(key).isdigit() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]


class Section(BaseModel):
    # A misspelt key must not be taken for a setting that works.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(Section):
    """What one user, request or connection may take."""

    running_per_user: PositiveInt = Field(2, description="Responses of one user that run at once.")
    waiting_per_user: NonNegativeInt = Field(
        10, description="Responses of one user that wait for a place; one more is refused (429)."
    )
    requests_per_minute: PositiveInt = Field(
        120, description="Requests of one user a minute that create something."
    )
    requests_per_minute_ip: PositiveInt = Field(
        600, description="Requests a minute from one address, checked before sign-in."
    )
    body_bytes: PositiveInt = Field(
        9 * 2**20,
        description="Largest request body but for uploads, in bytes; images in it are a third "
        "longer than they are.",
    )
    image_bytes: PositiveInt = Field(
        8 * 2**20, description="Largest image, sent in a message or uploaded, in bytes."
    )
    images_per_request: NonNegativeInt = Field(16, description="Most images in one request.")
    file_bytes_per_user: NonNegativeInt = Field(
        512 * 2**20, description="What a user's uploaded files may take together, in bytes."
    )
    message_chars: PositiveInt = Field(
        2_000_000, description="Longest text of one message, in characters."
    )
    title_chars: PositiveInt = Field(
        200, description="Longest title of a conversation, in characters."
    )
    instruction_chars: PositiveInt = Field(
        32_768, description="Longest instructions of a request or of a user, in characters."
    )
    embedding_chars: PositiveInt = Field(
        1_000_000, description="Texts of one request for embeddings, in characters."
    )
    json_depth: PositiveInt = Field(64, description="Deepest nesting of a JSON body.")
    connections_per_user: PositiveInt = Field(
        20, description="Open feed connections and streams of one user."
    )
    socket_seconds: PositiveFloat = Field(
        3600,
        description="How long one WebSocket of `/v1/responses` may last.",
    )


class Turns(Section):
    """How responses are run, taken over and forgotten."""

    slots: PositiveInt = Field(512, description="Responses that one worker runs at once.")
    reserved_share: float = Field(
        0.125,
        ge=0,
        le=0.5,
        description="Part of all workers' slots that only users with nothing running may take; at "
        "least one slot, but none where there are fewer than 4.",
    )
    shed_wait_seconds: PositiveFloat = Field(
        30,
        description="New work that would wait longer than this for others' work is refused "
        "(503, `overloaded`).",
    )
    lease_seconds: PositiveFloat = Field(
        30, description="How long a worker's claim on a response holds without being renewed."
    )
    renew_seconds: PositiveFloat = Field(
        10, description="How often a worker renews its claims; less than half of lease_seconds."
    )
    sweep_seconds: PositiveFloat = Field(
        2, description="How often expired claims and forgotten responses are looked for."
    )
    ring_again_seconds: PositiveFloat = Field(
        15,
        description="With a broker as queue, how long nobody may have claimed a response before "
        "workers are rung again for it.",
    )
    waiting_seconds: PositiveFloat = Field(
        120, description="A response that has waited this long ends as `failed`."
    )
    running_seconds: PositiveFloat = Field(
        600, description="A response that has run this long ends as `incomplete`."
    )
    max_crashes: PositiveInt = Field(
        3, description="Crashed attempts after which a response is given up, its text kept."
    )
    flush_ms: PositiveFloat | None = Field(
        None,
        description="Streamed text is put together for this many milliseconds, while answers are "
        "few; left out, 30 in one process and 50 where the event log is Redis.",
    )
    flushes_per_second: PositiveFloat = Field(
        4000,
        description="How often a process writes streamed text, all answers together; with more "
        "than fit into flush_ms, each is written less often, and more at once.",
    )
    flush_bytes: PositiveInt = Field(
        256, description="Streamed text is written at once when this many bytes are waiting."
    )
    grace_seconds: NonNegativeFloat = Field(
        20, description="Time to finish or hand over running responses when asked to stop."
    )
    cancel_check_seconds: PositiveFloat = Field(
        1, description="How often a worker looks whether a silent response was cancelled."
    )
    reader_recheck_seconds: PositiveFloat = Field(
        2, description="Silence after which a reader asks the store whether a response has ended."
    )
    log_retention_seconds: NonNegativeFloat = Field(
        3600, description="How long a response's event log is kept after its end."
    )
    ephemeral_seconds: NonNegativeFloat = Field(
        600,
        description="How long a response with `store=false` is kept after its end, should nobody "
        "have seen it end; at least as long as a WebSocket that may go on from it.",
    )
    abandoned_seconds: NonNegativeFloat = Field(
        30,
        description="A response that nobody can fetch later is cancelled this long after "
        "its only reader has left.",
    )

    @model_validator(mode="after")
    def _renewed_in_time(self) -> Turns:
        if self.renew_seconds * 2 >= self.lease_seconds:
            msg = "renew_seconds must be less than half of lease_seconds"
            raise ValueError(msg)
        return self


class Feed(Section):
    """The connection that carries everything to one device."""

    auth_seconds: PositiveFloat = Field(
        5, description="Time a new connection has to authenticate (close code 4009)."
    )
    ping_seconds: PositiveFloat = Field(25, description="How often the server pings.")
    buffer_frames: PositiveInt = Field(
        256, description="Frames that may wait for a slow reader before it gets a snapshot."
    )
    buffer_bytes: PositiveInt = Field(
        262_144, description="Bytes that may wait for a slow reader before it gets a snapshot."
    )
    slow_seconds: PositiveFloat = Field(
        10, description="A reader that takes nothing for this long is disconnected (4108)."
    )
    recheck_seconds: PositiveFloat = Field(
        60, description="How often an open connection's authorization is checked again."
    )
    history: PositiveInt = Field(
        1000, description="Entries of a user's feed kept for devices that come back."
    )


class Database(Section):
    """Connections of one process to a database server; the server must allow those of all."""

    writers: PositiveInt = Field(10, description="Connections for what is changed.")
    readers: PositiveInt = Field(5, description="Connections for what is read.")


class Tokens(Section):
    """How long sign-ins last."""

    access_seconds: PositiveInt = Field(900, description="Life of an access token.")
    refresh_seconds: PositiveInt = Field(
        30 * 86_400, description="A device that was not used for this long must sign in again."
    )
    refresh_grace_seconds: NonNegativeInt = Field(
        60,
        description="How long the refresh token before the newest one still works, "
        "for tabs that refresh at the same moment.",
    )


class Passwords(Section):
    """Rules for passwords, and the cost of checking one (argon2id)."""

    min_length: int = Field(8, ge=4, description="Fewest characters in a password.")
    time_cost: PositiveInt = Field(3, description="Argon2 passes.")
    memory_kib: int = Field(65_536, ge=8, description="Argon2 memory, in KiB.")
    parallelism: PositiveInt = Field(4, description="Argon2 lanes.")


class ModelServer(Section):
    """An OpenAI-compatible server. What is left out is asked of the server or assumed."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        description="Short name, shown as the owner of its models.",
    )
    base_url: str = Field(description="Address of its API, up to and including `/v1`.")
    api_key: SecretStr | None = Field(None, description="Key sent as bearer token.")
    models: Names | None = Field(
        None, description="Models to offer; left out, all that the server lists."
    )
    context_window: PositiveInt | None = Field(None, description="Window of its models, in tokens.")
    prefill: bool | None = Field(
        None, description="Whether it continues a last assistant message as its own beginning."
    )
    tools: bool | None = Field(None, description="Whether its models call tools.")
    json_schema: bool | None = Field(None, description="Whether it holds output to a JSON schema.")
    images: bool | None = Field(None, description="Whether its models see images.")
    capable: bool | None = Field(
        None, description="Whether its models are good enough for titles, summaries and facts."
    )
    price_in: NonNegativeFloat | None = Field(
        None, description="Price of an input token, in millionths of the currency unit."
    )
    price_out: NonNegativeFloat | None = Field(
        None, description="Price of an output token, in millionths of the currency unit."
    )

    @field_validator("base_url")
    @classmethod
    def _http_address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            msg = "a server's address starts with http:// or https://"
            raise ValueError(msg)
        return value.rstrip("/")


class Models(Section):
    """Which models there are, and how long to wait for them."""

    default: str | None = Field(
        None, description="Model of a new chat; left out, the first that is not `admin_only`."
    )
    local: str | None = Field(
        "smollm2-135m-instruct",
        description="Model that runs inside the process: a catalogue name, a `pypi:` or `hf:` "
        "reference, or a path to a GGUF file; empty for none.",
    )
    threads: PositiveInt | None = Field(
        None, description="Threads of the local model; left out, one per physical core."
    )
    parallel: PositiveInt = Field(4, description="Answers that the local model generates at once.")
    scripted: bool = Field(
        False, description="Offer the scripted model: a deterministic stand-in for tests."
    )
    discover: bool = Field(
        True,
        description="Look for model servers on this machine (Ollama, LM Studio, llama.cpp, "
        "vLLM) and offer them to admins.",
    )
    servers: Annotated[tuple[ModelServer, ...], BeforeValidator(in_order)] = Field(
        (),
        description="OpenAI-compatible servers; in the environment a JSON list, or numbered "
        "variables (`TERTULIA_MODELS__SERVERS__0__NAME`).",
    )
    openai_api_key: SecretStr | None = Field(
        None, description="Key of OpenAI or a compatible service; also `OPENAI_API_KEY`."
    )
    openai_base_url: str | None = Field(
        None, description="Address of that service; also `OPENAI_BASE_URL`. Left out: OpenAI's own."
    )
    connect_seconds: PositiveFloat = Field(10, description="Time to reach a model server.")
    first_chunk_seconds: PositiveFloat = Field(
        120, description="Time until a model's first output."
    )
    chunk_seconds: PositiveFloat = Field(
        60, description="Longest silence of a model in mid-answer."
    )
    retries: NonNegativeInt = Field(
        2, description="Further tries of a call that failed before its first output."
    )

    @field_validator("local", "default", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


LogLevel = Literal["debug", "info", "warning", "error"]
