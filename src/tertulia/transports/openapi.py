"""Lets the application describe itself; the document is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute


def operation_id(route: APIRoute) -> str:
    """``conversations_list_items``: the tag, and the function's name without it."""
    tag = str(route.tags[0]).lower().replace(" ", "_")
    words = [word for word in route.name.split("_") if word not in (tag, tag.removesuffix("s"))]
    return "_".join([tag, *words])


def describe(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Complete what FastAPI derives from the routes of ``routers``, which ``app`` includes."""
    derived = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            from tertulia.transports.document import completed

            written = {
                (route.path_format, method.lower()): route.openapi_extra or {}
                for router in routers
                for route in router.routes
                if isinstance(route, APIRoute)
                for method in route.methods or ()
            }
            app.openapi_schema = completed(derived(), written)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way
