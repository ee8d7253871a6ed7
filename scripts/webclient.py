"""Build the web client in `web/` into `src/tertulia/web`, when its sources have changed.

Shared by `scripts/setup.py` and the wheel's build hook; standard library only.
"""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

# Vite's own floor.
NODE_LINES = {20: (20, 19), 22: (22, 12)}
STAMP = ".sources"
LOCK_STAMP = ".lock-sha256"
NOT_SOURCES = {"node_modules", "dist", "coverage", "test-results", ".vite"}
#: What the client's types are made of, and the file they are made into.
API = Path("docs", "reference", "openapi.json")
MADE = Path("src", "api", "schema.d.ts")


def supports(version: tuple[int, int]) -> bool:
    major = version[0]
    return version >= NODE_LINES[major] if major in NODE_LINES else major > max(NODE_LINES)


def find_node() -> Path | None:
    """The folder of the machine's node and npm, or None if they are absent or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)\.", said)
    if not found or not supports((int(found[1]), int(found[2]))):
        return None
    return Path(node).parent


def sources(root: Path) -> str:
    """A fingerprint of all that the build reads."""
    web = root / "web"
    digest = hashlib.sha256((root / API).read_bytes())
    for folder, folders, files in os.walk(web):
        folders[:] = sorted(name for name in folders if name not in NOT_SOURCES)
        for name in sorted(files):
            if name.endswith(".tsbuildinfo"):
                continue
            path = Path(folder, name)
            if path.relative_to(web) == MADE:
                continue
            digest.update(f"{path.relative_to(web)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def is_stale(root: Path) -> bool:
    """Whether the built client is missing or older than its sources.

    A source archive carries the built client; without `web/` nothing can be newer.
    """
    if not (root / "web" / "package-lock.json").exists():
        return False
    stamp = root / "src" / "tertulia" / "web" / STAMP
    return not stamp.exists() or stamp.read_text() != sources(root)


def npm(folder: Path, node: Path, *arguments: str) -> None:
    path = f"{node}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(
        [str(node / "npm"), *arguments],
        check=True,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )


def lock_of(folder: Path) -> str:
    return hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()


def is_installed(folder: Path) -> bool:
    """Whether what is installed in an npm project follows its lock."""
    stamp = folder / "node_modules" / LOCK_STAMP
    return stamp.exists() and stamp.read_text() == lock_of(folder)


def install(folder: Path, node: Path) -> None:
    """`npm ci`, unless that was done for this lock already."""
    if is_installed(folder):
        return
    npm(folder, node, "ci", "--no-audit", "--no-fund", "--loglevel=error")
    (folder / "node_modules" / LOCK_STAMP).write_text(lock_of(folder))


def build(root: Path, node: Path) -> None:
    """Install what the lock names and build; the stamp is written last."""
    made_from = sources(root)
    web = root / "web"
    install(web, node)
    npm(web, node, "run", "build", "--silent")
    (root / "src" / "tertulia" / "web" / STAMP).write_text(made_from)
