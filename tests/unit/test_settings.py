"""The settings: sources in rising order, and errors that say where and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from tertulia.errors import Misconfigured
from tertulia.settings import Settings, load, unknown_variables
from tertulia.settings.tree import is_loopback


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that runs the tests reaches them."""
    for name in list(os.environ):
        if name.upper().startswith(("TERTULIA_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERTULIA_DATA", str(tmp_path / "data"))


def fields(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, str | None]]:
    for name, field in section.model_fields.items():
        yield f"{path}{name}", field.description
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from fields(kind, f"{path}{name}.")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("collector:4318", "http://HOST:4318"),
        ("http://me:canary@collector:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_a_collector_is_named_by_its_address(value: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as caught:
        load(traces=value)
    assert "canary" not in str(caught.value)


def test_every_setting_is_described() -> None:
    found = dict(fields(Settings))
    assert "models.servers.base_url" in found
    assert [name for name, text in found.items() if not (text or "").strip()] == []
    assert [name for name, text in found.items() if text and not text.endswith(".")] == []


def test_sources_override_each_other_in_rising_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load().port == 8484
    (tmp_path / "tertulia.toml").write_text("port = 1\n[limits]\nbody_bytes = 5\njson_depth = 6\n")
    assert load().port == 1
    monkeypatch.setenv("TERTULIA_PORT", "2")
    monkeypatch.setenv("TERTULIA_LIMITS__BODY_BYTES", "7")
    assert load().port == 2
    assert (load().limits.body_bytes, load().limits.json_depth) == (7, 6)
    assert load(port=3, host=None).port == 3


def test_a_plain_call_reads_no_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERTULIA_PORT", "2")
    assert Settings(data=tmp_path).port == 8484


def test_the_file_is_found_in_the_data_folder_or_where_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder, port in (("data", 4), ("other", 5), ("third", 6)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tertulia.toml").write_text(f"port = {port}")
    assert load().port == 4
    assert load(data=tmp_path / "third").port == 6
    assert load(tmp_path / "other" / "tertulia.toml").port == 5
    monkeypatch.setenv("TERTULIA_CONFIG", str(tmp_path / "third" / "tertulia.toml"))
    assert load().port == 6
    with pytest.raises(Misconfigured, match="no settings file"):
        load(tmp_path / "absent.toml")


def test_openai_variables_are_honoured_and_ours_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("TERTULIA_MODELS__SCRIPTED", "true")
    models = load().models
    assert models.openai_api_key is not None
    assert models.openai_api_key.get_secret_value() == "theirs"
    assert (models.openai_base_url, models.scripted) == ("http://127.0.0.1:9/v1", True)
    monkeypatch.setenv("TERTULIA_MODELS__OPENAI_API_KEY", "ours")
    key = load().models.openai_api_key
    assert key is not None
    assert key.get_secret_value() == "ours"


def test_lists_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA_ALLOWED_HOSTS", "chat.example, www.chat.example,")
    assert load().allowed_hosts == ("chat.example", "www.chat.example")
    monkeypatch.setenv(
        "TERTULIA_MODELS__SERVERS",
        '[{"name": "vllm", "base_url": "http://h/v1/", "models": "a,b"}]',
    )
    server = load().models.servers[0]
    assert (server.base_url, server.models) == ("http://h/v1", ("a", "b"))
    monkeypatch.delenv("TERTULIA_MODELS__SERVERS")
    monkeypatch.setenv("TERTULIA_MODELS__SERVERS__0__NAME", "one")
    monkeypatch.setenv("TERTULIA_MODELS__SERVERS__0__BASE_URL", "http://one")
    monkeypatch.setenv("TERTULIA_MODELS__SERVERS__1__NAME", "two")
    monkeypatch.setenv("TERTULIA_MODELS__SERVERS__1__BASE_URL", "http://two")
    assert [server.name for server in load().models.servers] == ["one", "two"]


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("PORT", "x", r"^TERTULIA_PORT: input should be a valid integer.*\(Port to listen on"),
        ("PORT", "70000", "^TERTULIA_PORT: input should be less than or equal to 65535"),
        ("LOG_LEVEL", "loud", "^TERTULIA_LOG_LEVEL: .*'debug', 'info'"),
        ("LIMITS__BODY_BYTE", "1", "^TERTULIA_LIMITS__BODY_BYTE is not .*did you mean body_bytes"),
        ("LIMITS__ZZZ", "1", "^TERTULIA_LIMITS__ZZZ is not a setting; `tertulia config doc`"),
        ("LIMITS", "[", "^TERTULIA_LIMITS .*valid JSON"),
        ("LIMITS", "7", "^TERTULIA_LIMITS: input should be a valid dictionary"),
        ("SECRET", "short", "^TERTULIA_SECRET: a secret has at least 32 characters"),
        ("MODELS__SERVERS", "[", "^TERTULIA_MODELS .*valid JSON"),
        (
            "MODELS__SERVERS",
            '[{"name": "a", "base_url": "ftp://x"}]',
            r"^models.servers.0.base_url in TERTULIA_MODELS__SERVERS: a .* \(Address of its API",
        ),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8, balancer",
            "^TERTULIA_TRUSTED_PROXIES: balancer is neither an address nor a network",
        ),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "^TERTULIA_TRUSTED_PROXIES: 10.0.0.1/8 is neither"),
        ("TURNS__RENEW_SECONDS", "20", "^turns: renew_seconds must be less than half"),
    ],
)
def test_a_wrong_variable_gives_one_line_that_names_it(
    variable: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TERTULIA_{variable}", value)
    with pytest.raises(Misconfigured, match=line) as caught:
        load()
    assert "\n" not in str(caught.value)


def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA_SECRET", "hunter2")
    with pytest.raises(Misconfigured) as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path: Path) -> None:
    # What the system refuses to root, too; for others the usual reason is another's folder.
    folder = tmp_path / ("long" * 100)
    with pytest.raises(Misconfigured, match=r"cannot be looked into .* own the folder"):
        load(data=folder)


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tertulia.toml"
    file.write_text("[limits]\nbody_bytes = 'many'\n")
    with pytest.raises(Misconfigured, match=f"^limits.body_bytes in {file}: "):
        load()
    file.write_text("prot = 3\nhots = 4\n")
    with pytest.raises(Misconfigured, match=r"did you mean port\? \(and 1 more wrong\)$"):
        load()
    file.write_text("port = = 3")
    with pytest.raises(Misconfigured, match="is not valid TOML"):
        load()
    file.write_bytes(b"\xff")
    with pytest.raises(Misconfigured, match="is not valid TOML"):
        load()


def test_a_wrong_flag_is_named() -> None:
    with pytest.raises(Misconfigured, match="^--log-level: "):
        load(log_level="loud")


def test_without_sign_in_only_loopback() -> None:
    assert load(auth=False).auth is False
    with pytest.raises(Misconfigured, match="loopback only, not on 0.0.0.0"):
        load(auth=False, host="0.0.0.0")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_registration_is_open_by_itself_on_loopback_only() -> None:
    assert load().registration_is_open
    assert not load(host="0.0.0.0").registration_is_open
    assert load(host="0.0.0.0", registration="open").registration_is_open
    assert not load(registration="closed").registration_is_open


def test_paths_do_not_depend_on_the_working_directory(tmp_path: Path) -> None:
    settings = load(data=Path("here"))
    assert settings.data == tmp_path / "here"
    assert settings.secret_path == tmp_path / "here" / "secret"
    assert load(secret_file=Path("s")).secret_path == tmp_path / "s"


def test_empty_means_no_local_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA_MODELS__LOCAL", "")
    assert load().models.local is None


def test_unknown_variables_are_told() -> None:
    environment = {"TERTULIA_PROT": "1", "TERTULIA_PORT": "1", "TERTULIA_CONFIG": "x", "HOME": "/"}
    assert list(unknown_variables(environment)) == [
        "TERTULIA_PROT is not a setting; did you mean TERTULIA_PORT?"
    ]
    assert list(unknown_variables({"TERTULIA_QXZ": ""})) == ["TERTULIA_QXZ is not a setting"]
