"""Puts the parts together; the only place that sees all of them."""

from tertulia.bootstrap.commands import (
    create_key,
    create_user,
    delete_user,
    list_models,
    migrate,
    openapi,
    pull_model,
)
from tertulia.bootstrap.copying import CopyReport, copy_store
from tertulia.bootstrap.doctor import Check, doctor
from tertulia.bootstrap.serve import serve

__all__ = [
    "Check",
    "CopyReport",
    "copy_store",
    "create_key",
    "create_user",
    "delete_user",
    "doctor",
    "list_models",
    "migrate",
    "openapi",
    "pull_model",
    "serve",
]
