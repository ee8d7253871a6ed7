"""The settings: one typed tree, from defaults, a TOML file, the environment and flags.

Importing this reads nothing; `load` does, once, when a command starts.
"""

from tertulia.settings.load import ENV_PREFIX, find_file, load, unknown_variables
from tertulia.settings.sections import (
    Feed,
    Limits,
    Models,
    ModelServer,
    Passwords,
    Tokens,
    Turns,
)
from tertulia.settings.tree import Settings

__all__ = [
    "ENV_PREFIX",
    "Feed",
    "Limits",
    "ModelServer",
    "Models",
    "Passwords",
    "Settings",
    "Tokens",
    "Turns",
    "find_file",
    "load",
    "unknown_variables",
]
