"""``/v1/files``: images that messages refer to, in the shape of OpenAI's Files API."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import PureWindowsPath
from typing import Annotated, Literal, cast
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from tertulia.domain.file import File, Purpose
from tertulia.domain.ids import new_file_id
from tertulia.domain.image import BadImage, sniff
from tertulia.errors import InvalidInput, NotFound, TooLarge
from tertulia.transports import files_schema as schema
from tertulia.transports.auth import Caller, limit_creation
from tertulia.transports.errors import documented
from tertulia.transports.idempotency import idempotency
from tertulia.transports.multipart import Part, read_form
from tertulia.transports.reply import listing, reply
from tertulia.transports.services import services_of

router = APIRouter(tags=["files"])

ROOT = "/v1/files"
_ONE = ROOT + "/{file_id}"

#: What else a form holds beside its file, in bytes.
FORM_BYTES = 16_384
NAME_CHARS = 255
#: Seconds, as OpenAI has them: from an hour to 30 days.
KEEP_SECONDS = (3600, 30 * 86_400)

_PURPOSES = ("vision", "user_data", "assistants")


class FileResource(BaseModel):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Purpose
    status: Literal["processed"]
    status_details: None
    media_type: str
    width: int
    height: int


class FileList(BaseModel):
    object: Literal["list"]
    data: list[FileResource]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(BaseModel):
    id: str
    object: Literal["file"]
    deleted: Literal[True]


@router.post(
    ROOT,
    response_model=FileResource,
    responses=documented(400, 401, 409, 413, 415),
    openapi_extra=schema.CREATE,
)
async def create(
    request: Request,
    caller: Caller,
    idempotency_key: Annotated[str | None, Header(description="Makes a retry safe.")] = None,
) -> Response:
    """Upload an image: PNG, JPEG, GIF or WebP. A message then names it as `file_id`."""
    services = services_of(request)
    await limit_creation(services, caller)
    form = read_form(request.headers.get("content-type", ""), await request.body())
    content = _content(form, services.settings.limits.image_bytes)
    purpose = _purpose(form.get("purpose"))
    seconds = _seconds(form)
    try:
        image = sniff(content.data)
    except BadImage as error:
        raise InvalidInput(f"The file {error}.", param="file", code="invalid_image") from None
    file = File(
        id=new_file_id(),
        user_id=caller.user_id,
        purpose=purpose,
        name=_name(content.filename, image.media_type),
        media_type=image.media_type,
        width=image.width,
        height=image.height,
        bytes=len(content.data),
    )
    # Not the body: its boundary is another one each time.
    same = f"{purpose}\0{seconds}\0{file.name}\0{hashlib.sha256(content.data).hexdigest()}"
    kept = await services.parts.store.add_file(
        file,
        content.data,
        keep_seconds=seconds,
        quota_bytes=services.settings.limits.file_bytes_per_user,
        idempotency=idempotency(services, caller, ROOT, idempotency_key, same.encode()),
    )
    return reply(kept.resource())


@router.get(ROOT, response_model=FileList, responses=documented(401, 404))
async def list_files(
    request: Request,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Elements on the page.")] = 10_000,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
    order: Annotated[Literal["asc", "desc"], Query(description="By time.")] = "desc",
    purpose: Annotated[str | None, Query(description="Only files for this purpose.")] = None,
) -> Response:
    """The user's files."""
    page = await services_of(request).parts.store.files(
        caller.user_id, limit=limit, after=after, newest_first=order == "desc", purpose=purpose
    )
    return listing(
        [file.resource() for file in page.data],
        has_more=page.has_more,
        first=page.data[0].id if page.data else None,
        last=page.data[-1].id if page.data else None,
    )


@router.get(_ONE, response_model=FileResource, responses=documented(401, 404))
async def retrieve(request: Request, caller: Caller, file_id: str) -> Response:
    """One file's description."""
    file = await services_of(request).parts.store.file(caller.user_id, file_id)
    return reply(file.resource())


@router.get(_ONE + "/content", responses=documented(401, 404), openapi_extra=schema.CONTENT)
async def content(request: Request, caller: Caller, file_id: str) -> Response:
    """The file itself."""
    found = await services_of(request).parts.store.file_contents(caller.user_id, [file_id])
    if file_id not in found:
        raise NotFound(f"There is no file {file_id}.", param="file_id")
    file, data = found[file_id]
    # The type is what its bytes say, never what the client said, so no browser runs it.
    disposition = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    return Response(data, headers={"content-disposition": disposition}, media_type=file.media_type)


@router.delete(_ONE, response_model=DeletedFile, responses=documented(401, 404))
async def delete(request: Request, caller: Caller, file_id: str) -> Response:
    """Erase a file. Conversations that show it go on without."""
    await services_of(request).parts.store.delete_file(caller.user_id, file_id)
    return reply({"id": file_id, "object": "file", "deleted": True})


def _content(form: dict[str, Part], limit: int) -> Part:
    part = form.get("file")
    if part is None:
        raise _missing("file", "the image")
    if not part.data:
        raise InvalidInput("The file is empty.", param="file", code="invalid_image")
    if len(part.data) > limit:
        raise TooLarge(f"The file is larger than {limit} bytes.", param="file")
    return part


def _purpose(part: Part | None) -> Purpose:
    if part is None:
        raise _missing("purpose", "vision, for an image")
    found = part.data.decode("utf-8", "replace")
    if found not in _PURPOSES:
        raise InvalidInput(
            f"purpose must be one of {', '.join(_PURPOSES)}: files are images for messages here.",
            param="purpose",
            code="invalid_value",
        )
    return cast(Purpose, found)


def _seconds(form: dict[str, Part]) -> int | None:
    """``expires_after[anchor]`` and ``expires_after[seconds]``, as the SDKs write them."""
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor is None or anchor.data != b"created_at":
        raise InvalidInput("expires_after.anchor must be created_at.", param="expires_after.anchor")
    low, high = KEEP_SECONDS
    found = seconds.data if seconds else b""
    if not (found.isdigit() and len(found) < 10 and low <= int(found) <= high):
        raise InvalidInput(
            f"expires_after.seconds must be a whole number from {low} to {high}.",
            param="expires_after.seconds",
        )
    return int(found)


def _missing(name: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"The form has no field {name}; it is to be {what}.",
        param=name,
        code="missing_required_parameter",
    )


def _name(given: str | None, media_type: str) -> str:
    """For people: without folders, and without characters that cannot be seen."""
    last = PureWindowsPath(given or "").name  # it knows both kinds of slashes
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    return shown[-NAME_CHARS:] or "image." + media_type.removeprefix("image/")
