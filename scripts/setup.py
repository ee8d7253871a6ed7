"""Bring a checkout to the point where `.venv/bin/tertulia` runs, doing only what has changed.

Runs on the standard library alone, with the interpreter that `scripts/python.sh` found.
A stamp in `.venv/.stamps` holds the fingerprint of what a step was made from, so a second
run with nothing changed installs nothing and needs no network.
"""

import argparse
import ctypes
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import debian
import webclient

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMPS = VENV / ".stamps"
PYTHON = VENV / "bin" / "python"
SUITES = ROOT / "tests" / "suites" / "js"


def fingerprint(*parts: Path | str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def is_fresh(step: str, want: str) -> bool:
    stamp = STAMPS / step
    return stamp.exists() and stamp.read_text() == want


def set_stamp(step: str, value: str) -> None:
    STAMPS.mkdir(exist_ok=True)
    (STAMPS / step).write_text(value)


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def environment() -> None:
    """Make `.venv`, again if its interpreter is gone or the checkout has moved."""
    want = fingerprint(sys.executable, sys.version, str(VENV))
    if PYTHON.exists() and is_fresh("venv", want):
        return
    say(f"virtual environment with Python {sys.version.split()[0]}")
    if VENV.exists():
        shutil.rmtree(VENV)
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    set_stamp("venv", want)


def pip(*arguments: str) -> None:
    subprocess.run(
        [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments],
        check=True,
        cwd=ROOT,
    )


def install_lock(name: str) -> None:
    lock = ROOT / "requirements" / f"{name}.txt"
    want = fingerprint(lock)
    if is_fresh(name, want):
        return
    say(f"packages of requirements/{name}.txt")
    pip("--require-hashes", "--no-deps", "-r", str(lock))
    set_stamp(name, want)


def system_libraries() -> bool:
    """The one shared library that the local model's runtime takes from the system."""
    if sys.platform != "linux":
        return True
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return debian.install(["libgomp1"])
    return True


def install_project() -> None:
    want = fingerprint(ROOT / "pyproject.toml", ROOT / "src" / "tertulia" / "__init__.py")
    if is_fresh("project", want):
        return
    say("tertulia itself, editable")
    pip("--no-deps", "--no-build-isolation", "--editable", ".")
    set_stamp("project", want)


def compile_sources() -> None:
    """Where Python may not keep what it compiles, every start would compile all anew; what is
    compiled already is left alone."""
    source = ROOT / "src" / "tertulia"
    subprocess.run([str(PYTHON), "-m", "compileall", "-q", str(source)], check=True)


def node_folder() -> Path:
    """The machine's own Node.js, or one that is installed into the environment for want of it."""
    node = webclient.find_node()
    if node is None:
        install_lock("node")
        node = VENV / "bin"
    return node


def build_web() -> None:
    if not webclient.is_stale(ROOT):
        return
    node = node_folder()
    say("web client")
    webclient.build(ROOT, node)


def install_suites() -> None:
    """The clients and suites of others that speak JavaScript."""
    if webclient.is_installed(SUITES):
        return
    node = node_folder()
    say("clients and suites of tests/suites/js")
    webclient.install(SUITES, node)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also the tools that tests need")
    options = parser.parse_args()
    if Path(sys.prefix).resolve() == VENV:
        # It would take itself for another interpreter, and remove the environment it runs in.
        print("setup failed: run it by `make setup` or `make dev`", file=sys.stderr)
        return 1
    try:
        if not system_libraries():
            return 1
        environment()
        install_lock("run")
        if options.dev:
            install_lock("dev")
            install_lock("helm")
        install_project()
        compile_sources()
        build_web()
        if options.dev:
            install_suites()
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd[:6]))
        print(f"setup failed: `{command} …` ended with {error.returncode}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
