"""The whole tree of settings."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tertulia.settings.embedding import embedding_server
from tertulia.settings.sections import (
    Database,
    Feed,
    Limits,
    LogLevel,
    Models,
    Names,
    Passwords,
    Tokens,
    Turns,
)

SECRET_LENGTH = 32
METRICS_TOKEN_LENGTH = 16


def default_data() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("tertulia", appauthor=False))


def is_loopback(host: str) -> bool:
    """Whether a host name or address reaches this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    """All settings. `tertulia.settings.load` reads the sources; a plain call reads none."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="TERTULIA_",
        env_nested_delimiter="__",
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8484, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    data: Path = Field(
        default_factory=default_data,
        description="Folder of the database, keys, models and the secret.",
        json_schema_extra={"default_text": "`tertulia` in the user's data directory"},
    )
    auth: bool = Field(
        True, description="Ask users to sign in. Off (`serve --no-auth`): one user, loopback only."
    )
    registration: Literal["auto", "open", "closed"] = Field(
        "auto", description="Whether anybody may make an account; `auto`: on loopback only."
    )
    secret: SecretStr | None = Field(
        None,
        description="Signs tokens; at least 32 characters. Left out, one is made at first start "
        "and kept in `secret_file`.",
    )
    secret_file: Path | None = Field(
        None, description="File that holds the secret; left out, `secret` in the data folder."
    )
    allowed_hosts: Names = Field(
        (), description="Host names that requests may name, beside loopback's own and `host`."
    )
    allowed_origins: Names = Field(
        (),
        description="Origins (`https://chat.example`) that pages may call from, beside the "
        "server's own.",
    )
    trusted_proxies: Names = Field(
        ("127.0.0.1", "::1"),
        description="Addresses and networks (`10.0.0.0/8`) of the proxies before the server. From "
        "them, and from nobody else, `X-Forwarded-For` and `X-Forwarded-Proto` are believed: what "
        "limits per address count is the last address there that is not itself one of these.",
    )
    store: str = Field(
        "sqlite",
        description="Where conversations are kept: `sqlite` (in the data folder), or a server, "
        "`postgresql://USER:PASSWORD@HOST/DATABASE`, `mysql://…` or `mariadb://…`.",
    )
    queue: str = Field(
        "memory",
        description="What rings workers: `memory` (within one process), `redis://…`, "
        "`redis+cluster://…`, `amqp://…`, `kafka://…` or `nats://…`.",
    )
    eventlog: str = Field(
        "sqlite",
        description="Where streamed events are kept: `sqlite` (in the data folder), `memory`, "
        "`redis://…` or `redis+cluster://…`.",
    )
    cache: str = Field(
        "memory",
        description="What counts rate limits and carries hints between processes: `memory`, "
        "`redis://…` or `redis+cluster://…`.",
    )
    keys: str = Field(
        "file",
        description="Where users' data keys are kept: `file` (in the data folder), "
        "`file:/absolute/folder` (which processes of one machine share), or a database of their "
        "own, not the store's: `postgresql://…`, `mysql://…`, `mariadb://…`.",
    )
    master_key: SecretStr | None = Field(
        None,
        description="Seals users' data keys in a database, the same on every node: 32 bytes in "
        "base64, as `tertulia keys new` prints them. Without it nothing can be read: keep a copy.",
    )
    master_key_file: Path | None = Field(
        None,
        description="File that holds the master key instead; the `keys/kek` of a data folder "
        "serves as well.",
    )
    moderation: str = Field("none", description="Who judges what is said (URL).")
    embedding: str = Field(
        "minilm",
        description="What makes vectors of texts: `minilm` (a small model in this process, fetched "
        "at its first use), `none`, or a server, `openai+http://HOST/v1?model=NAME`.",
    )
    embedding_api_key: SecretStr | None = Field(
        None,
        description="Key of that server; left out, the one that `models` has for the same address.",
    )
    log_level: LogLevel = Field("info", description="Least severe log line that is written.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="Form of log lines; `auto`: console on a terminal, else JSON."
    )
    metrics: Literal["off", "local", "open"] = Field(
        "local",
        description="Who may read `/metrics`: nobody, programs of this machine, or whoever "
        "reaches the port. It holds numbers, never content, names or ids.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Asked of every reader of `/metrics` as bearer token, from wherever it comes; "
        "at least 16 characters.",
    )
    traces: str | None = Field(
        None,
        description="Collector that spans are sent to, by OTLP over HTTP "
        "(`http://HOST:4318`); left out, none are made. Needs the extra `telemetry`.",
    )
    traces_part: float = Field(
        1.0, ge=0, le=1, description="Part of all turns and requests that is traced, 0 to 1."
    )
    limits: Limits = Field(default_factory=Limits, description="Limits per user and request.")
    turns: Turns = Field(default_factory=Turns, description="How responses run.")
    database: Database = Field(
        default_factory=Database, description="Connections to the store, where it is a server."
    )
    feed: Feed = Field(default_factory=Feed, description="Connections of devices.")
    tokens: Tokens = Field(default_factory=Tokens, description="How long sign-ins last.")
    passwords: Passwords = Field(default_factory=Passwords, description="Rules for passwords.")
    models: Models = Field(default_factory=Models, description="Models and their servers.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load` reads the others itself, to be able to say where a wrong value came from.
        return (init_settings,)

    @field_validator("data", "secret_file", "master_key_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        # A relative path would change its meaning with the working directory.
        return None if value is None else value.expanduser().absolute()

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ipaddress.ip_network(one)
            except ValueError:
                msg = f"{one} is neither an address nor a network, such as 10.0.0.0/8"
                raise ValueError(msg) from None
        return value

    @field_validator("embedding")
    @classmethod
    def _known_embedding(cls, value: str) -> str:
        embedding_server(value)
        return value

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SECRET_LENGTH:
            msg = f"a secret has at least {SECRET_LENGTH} characters"
            raise ValueError(msg)
        return value

    @field_validator("traces")
    @classmethod
    def _collector(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = "a collector's address is http://HOST:4318, or https"
            raise ValueError(msg)
        if "@" in parts.netloc:
            msg = "a key does not belong in the address: set OTEL_EXPORTER_OTLP_HEADERS"
            raise ValueError(msg)
        return value

    @field_validator("metrics_token")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < METRICS_TOKEN_LENGTH:
            msg = f"such a token has at least {METRICS_TOKEN_LENGTH} characters"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _single_user_stays_home(self) -> Settings:
        if not self.auth and not self.on_loopback:
            msg = (
                f"without sign-in the server listens on loopback only, not on {self.host}; "
                "leave out --no-auth, or set host to 127.0.0.1"
            )
            raise ValueError(msg)
        return self

    @property
    def on_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def registration_is_open(self) -> bool:
        return self.registration == "open" or (self.registration == "auto" and self.on_loopback)

    @property
    def secret_path(self) -> Path:
        return self.secret_file or self.data / "secret"
