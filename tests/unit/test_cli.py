"""The command line: what each command asks of the rest, and its exit codes."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import tertulia
from tertulia import cli
from tertulia.errors import Conflict, Misconfigured
from tertulia.ports.model import ModelInfo, ModelState
from tertulia.settings import Settings


@dataclass
class Check:
    name: str
    ok: bool
    detail: str


@dataclass
class Bootstrap:
    """Stands where `tertulia.bootstrap` does, and notes what it is asked."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    settings: Settings | None = None
    checks: list[Check] = field(default_factory=list)
    error: Exception | None = None

    def _note(self, name: str, settings: Settings, *arguments: object) -> str:
        self.asked.append((name, arguments))
        self.settings = settings
        if self.error:
            raise self.error
        return f"{name} done"

    def serve(self, settings: Settings, role: str = "serve", *, open_browser: bool = False) -> None:
        self._note(role, settings, open_browser)

    def create_user(self, settings: Settings, email: str, password: str, admin: bool) -> str:
        return self._note("user", settings, email, password, admin)

    def delete_user(self, settings: Settings, email: str) -> bool:
        self._note("gone", settings, email)
        return email == "a@b.example"

    def create_key(self, settings: Settings, email: str, name: str) -> str:
        return self._note("key", settings, email, name)

    def migrate(self, settings: Settings, *, new_secret: bool) -> str:
        return self._note("migrate", settings, new_secret)

    def pull_model(self, settings: Settings, ref: str) -> None:
        self._note("pull", settings, ref)

    def list_models(self, settings: Settings) -> list[tuple[ModelInfo, ModelState]]:
        self._note("list", settings)
        return [
            (ModelInfo("small", "Small", "local", 8192), ModelState("ready")),
            (ModelInfo("big", "Big", "vllm", 9), ModelState("failed", detail="no answer")),
        ]

    def doctor(self, settings: Settings) -> list[Check]:
        self._note("doctor", settings)
        return self.checks


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bootstrap:
    fake = Bootstrap()
    module = types.ModuleType("tertulia.bootstrap")
    for name in (
        "serve create_user delete_user create_key migrate pull_model list_models doctor".split()  # noqa: SIM905
    ):
        setattr(module, name, getattr(fake, name))
    monkeypatch.setitem(sys.modules, "tertulia.bootstrap", module)
    monkeypatch.setattr(tertulia, "bootstrap", module, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERTULIA_DATA", str(tmp_path / "data"))
    return fake


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    bootstrap: Bootstrap, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    def command(*words: str, stdin: io.StringIO | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tertulia", *words])
        monkeypatch.setattr(sys, "stdin", stdin or io.StringIO())
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return command


@pytest.mark.parametrize("role", ["api", "worker"])
def test_one_of_many_passes_its_flags(
    run: Run, bootstrap: Bootstrap, tmp_path: Path, role: str
) -> None:
    assert run(role, "--host", "localhost", "--port", "0", "--data", str(tmp_path))[0] == 0
    assert bootstrap.asked == [(role, (False,))]
    settings = bootstrap.settings
    assert settings is not None
    assert (settings.host, settings.port, settings.data) == ("localhost", 0, tmp_path)


def test_migrate_may_take_a_new_secret(run: Run, bootstrap: Bootstrap) -> None:
    assert run("migrate")[0] == 0
    assert run("migrate", "--new-secret")[0] == 0
    assert bootstrap.asked == [("migrate", (False,)), ("migrate", (True,))]


def test_serve_passes_its_flags(run: Run, bootstrap: Bootstrap, tmp_path: Path) -> None:
    words = ("--host", "localhost", "--port", "0", "--no-auth", "--open", "--data", str(tmp_path))
    assert run("serve", *words)[0] == 0
    assert bootstrap.asked == [("serve", (True,))]
    settings = bootstrap.settings
    assert settings is not None
    assert (settings.host, settings.port, settings.auth) == ("localhost", 0, False)
    assert settings.data == tmp_path


def test_serve_without_flags_leaves_the_settings_alone(run: Run, bootstrap: Bootstrap) -> None:
    assert run("serve")[0] == 0
    assert bootstrap.asked == [("serve", (False,))]
    assert bootstrap.settings is not None
    assert bootstrap.settings.auth
    assert bootstrap.settings.port == 8484


def test_config_names_a_file(run: Run, bootstrap: Bootstrap, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("port = 7")
    assert run("migrate", "--config", str(tmp_path / "other.toml")) == (0, "migrate done\n", "")
    assert bootstrap.settings is not None
    assert bootstrap.settings.port == 7


def test_a_password_comes_from_standard_input(run: Run, bootstrap: Bootstrap) -> None:
    made = run(
        "user", "create", "a@b.example", "--admin", "--password-stdin", stdin=io.StringIO(" p w \n")
    )
    assert made == (0, "user done\n", "")
    assert bootstrap.asked == [("user", ("a@b.example", " p w ", True))]


def test_a_password_is_never_guessed(run: Run, bootstrap: Bootstrap) -> None:
    status, _, error = run("user", "create", "a@b.example", stdin=io.StringIO("password\n"))
    assert status == 2
    assert "--password-stdin" in error
    assert bootstrap.asked == []


def test_a_password_is_asked_for_twice_on_a_terminal(
    run: Run, bootstrap: Bootstrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def prompt(text: str, **options: object) -> str:
        asked.update(options)
        return "typed"

    monkeypatch.setattr("click.prompt", prompt)
    assert run("user", "create", "a@b.example", stdin=Terminal())[0] == 0
    assert asked == {"hide_input": True, "confirmation_prompt": True}
    assert bootstrap.asked == [("user", ("a@b.example", "typed", False))]


def test_nobody_is_deleted_unasked(
    run: Run, bootstrap: Bootstrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _, error = run("user", "delete", "a@b.example", stdin=io.StringIO("y\n"))
    assert status == 2
    assert "--yes" in error
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert run("user", "delete", "a@b.example", stdin=Terminal())[0] == 1
    assert bootstrap.asked == []
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "y")
    assert run("user", "delete", "a@b.example", stdin=Terminal())[0] == 0
    assert bootstrap.asked == [("gone", ("a@b.example",))]


def test_who_is_not_there_is_deleted_already(run: Run, bootstrap: Bootstrap) -> None:
    gone = run("user", "delete", "a@b.example", "--yes")
    assert gone == (0, "a@b.example is deleted.\n", "")
    never = run("user", "delete", "c@d.example", "--yes")
    assert never == (0, "There is no account c@d.example.\n", "")
    assert len(bootstrap.asked) == 2


def test_a_key_is_all_that_is_printed(run: Run, bootstrap: Bootstrap) -> None:
    assert run("key", "create", "a@b.example", "--name", "ci") == (0, "key done\n", "")
    assert run("key", "create", "a@b.example")[0] == 0
    assert bootstrap.asked == [
        ("key", ("a@b.example", "ci")),
        ("key", ("a@b.example", "command line")),
    ]


def test_a_master_key_is_fresh_each_time(run: Run, bootstrap: Bootstrap) -> None:
    said = [run("keys", "new") for _ in range(2)]
    assert {(status, err) for status, _, err in said} == {(0, "")}
    made = [out.strip() for _, out, _ in said]
    assert made[0] != made[1]
    assert [len(base64.b64decode(key, validate=True)) for key in made] == [32, 32]
    assert bootstrap.asked == []


def test_models(run: Run, bootstrap: Bootstrap, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, _ = run("models", "list")
    assert status == 0
    assert out.splitlines() == [
        "small\tlocal\t8192 tokens\tready",
        "big\tvllm\t9 tokens\tfailed\tno answer",
    ]
    assert run("models", "pull", "hf:a/b")[0] == 0
    assert run("models", "pull")[0] == 0
    assert bootstrap.asked[1:] == [("pull", ("hf:a/b",)), ("pull", ("smollm2-135m-instruct",))]
    monkeypatch.setenv("TERTULIA_MODELS__LOCAL", "")
    assert run("models", "pull")[0] == 2


def test_doctor_fails_if_a_check_does(run: Run, bootstrap: Bootstrap) -> None:
    bootstrap.checks = [Check("data folder", True, "writable")]
    assert run("doctor") == (0, "ok    data folder: writable\n", "")
    bootstrap.checks.append(Check("model", False, "no weights"))
    status, out, error = run("doctor")
    assert (status, error) == (1, "tertulia: 1 of 2 checks failed\n")
    assert "FAIL  model: no weights" in out


def test_an_error_is_one_line_and_status_1(run: Run, bootstrap: Bootstrap) -> None:
    bootstrap.error = Conflict("there is an account a@b.example already")
    status, out, error = run("migrate")
    assert (status, out) == (1, "")
    assert error == "tertulia: there is an account a@b.example already\n"


def test_a_wrong_setting_is_status_2(
    run: Run, bootstrap: Bootstrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("serve", "--no-auth", "--host", "0.0.0.0")[0] == 2
    bootstrap.error = Misconfigured("store: no such backend")
    assert run("serve")[0] == 2
    monkeypatch.setenv("TERTULIA_PORT", "x")
    status, out, error = run("config", "check")
    assert (status, out) == (2, "")
    assert error.startswith("tertulia: TERTULIA_PORT: ")
    assert error.count("\n") == 1


def test_config_check(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status, out, _ = run("config", "check", "--data", str(tmp_path))
    assert status == 0
    assert f"file: none; data folder: {tmp_path}" in out
    (tmp_path / "tertulia.toml").touch()
    assert f"file: {tmp_path / 'tertulia.toml'}" in run("config", "check")[1]
    monkeypatch.setenv("TERTULIA_PROT", "1")
    status, _, error = run("config", "check")
    assert status == 2
    assert error == "tertulia: TERTULIA_PROT is not a setting; did you mean TERTULIA_PORT?\n"


@pytest.mark.parametrize(
    "words", [["nonsense"], ["serve", "--port", "x"], ["serve", "extra"], ["user", "create"]]
)
def test_wrong_usage_is_status_2(words: list[str], run: Run) -> None:
    status, out, error = run(*words)
    assert (status, out) == (2, "")
    assert "Usage: tertulia" in error


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"tertulia {tertulia.__version__}\n", "")


def test_every_command_takes_a_data_folder(run: Run) -> None:
    commands = [
        line.removeprefix("## `tertulia ").rstrip("`").split()
        for line in run("config", "doc", "--cli")[1].splitlines()
        if line.startswith("## `tertulia ")
    ]
    assert ["serve"] in commands
    assert ["key", "create", "EMAIL"] in commands
    for words in commands:
        status, out, _ = run(*[word for word in words if word.islower()], "--help")
        assert status == 0
        assert "--data" in out


def test_help_does_not_wait_for_what_it_does_not_need() -> None:
    """`--help` answers at once because nothing heavy is imported before a command runs."""
    heavy = "pydantic sqlalchemy fastapi aiohttp uvicorn cryptography numpy xllamacpp alembic"
    code = (
        "import sys\nsys.argv = ['tertulia', '--help']\nimport tertulia.cli\n"
        "try: tertulia.cli.main()\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
