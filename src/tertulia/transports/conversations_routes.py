"""``/v1/conversations``: OpenAI's Conversations API, and ours for lists, branches and undo."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tertulia.conversations import cut
from tertulia.domain.item import Item
from tertulia.domain.principal import Principal
from tertulia.transports.auth import Caller, limit_creation, principal_of
from tertulia.transports.body import body_of, body_schema
from tertulia.transports.direct import Handler
from tertulia.transports.errors import documented
from tertulia.transports.idempotency import idempotency
from tertulia.transports.reply import listing, reply
from tertulia.transports.services import Services, services_of
from tertulia.transports.shapes import typed_as
from tertulia.transports.wire_field import Field as Path
from tertulia.transports.wire_items import parse_items
from tertulia.turns.given import resolve

router = APIRouter(tags=["conversations"])

#: Items that one request may add, as OpenAI has it.
MAX_ITEMS = 20

_ROOT = "/v1/conversations"
_ONE = _ROOT + "/{conversation_id}"

_SMALL = re.compile(r"[0-9]{1,3}")

_SAID = [
    {"role": "user", "content": "Who met at the Café Gijón?"},
    {"role": "assistant", "content": "Writers, mostly."},
]

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16, description="Up to 16 pairs of the client's own."),
]
Items = Annotated[
    list[Annotated[Any, typed_as("InputItem")]],
    Field(max_length=MAX_ITEMS, description="Input items, as the standard has them."),
]
Limit = Annotated[int, Query(ge=1, le=100, description="Elements on the page.")]
#: Conversations come without what was said in them.
MANY, MOST = 20, 500
ManyLimit = Annotated[int, Query(ge=1, le=MOST, description="Elements on the page.")]
After = Annotated[str | None, Query(description="The last id of the page before.")]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewConversation(Body):
    title: str | None = None
    metadata: Metadata | None = None
    items: Items | None = None


class ConversationChange(Body):
    title: str | None = None
    metadata: Metadata | None = None


class NewItems(Body):
    items: Annotated[Items, Field(min_length=1)]


class NewHead(Body):
    response_id: str | None


class ConversationResource(BaseModel):
    id: str
    object: Literal["conversation"]
    created_at: int
    updated_at: int
    title: str | None
    metadata: dict[str, str]
    head: str | None


class ConversationList(BaseModel):
    object: Literal["list"]
    data: list[ConversationResource]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedConversation(BaseModel):
    id: str
    object: Literal["conversation.deleted"]
    deleted: Literal[True]


class ItemList(BaseModel):
    object: Literal["list"]
    data: list[Annotated[dict[str, Any], typed_as("Item")]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Tree(BaseModel):
    conversation: ConversationResource
    responses: list[Annotated[dict[str, Any], typed_as("TreeNode")]]


_new_conversation = body_of(NewConversation, optional=True)


@router.post(
    _ROOT,
    response_model=ConversationResource,
    responses=documented(400, 401, 404, 409, 413, 415),
    openapi_extra=body_schema(
        NewConversation,
        required=False,
        empty={"title": "Café Gijón"},
        imported={"metadata": {"from": "notebook"}, "items": _SAID},
    ),
)
async def create(
    request: Request,
    caller: Caller,
    body: Annotated[NewConversation, Depends(_new_conversation)],
    idempotency_key: Annotated[str | None, Header(description="Makes a retry safe.")] = None,
) -> Response:
    """A new conversation, empty or with what was said before."""
    services = services_of(request)
    await limit_creation(services, caller)
    conversation = await services.conversations.create(
        caller.user_id,
        title=body.title,
        metadata=body.metadata,
        items=await _parsed(services, caller, body.items or []),
        idempotency=idempotency(services, caller, _ROOT, idempotency_key, await request.body()),
    )
    return reply(conversation.resource())


async def _create(request: Request) -> Response:
    caller = await principal_of(request)
    body = await _new_conversation(request)
    return await create(request, caller, body, request.headers.get("idempotency-key"))


@router.get(_ROOT, response_model=ConversationList, responses=documented(401, 404))
async def list_conversations(
    request: Request,
    caller: Caller,
    limit: ManyLimit = MANY,
    after: After = None,
    search: Annotated[
        str | None, Query(max_length=200, description="Words that the title must hold.")
    ] = None,
) -> Response:
    """The user's conversations, the last changed first."""
    page = await services_of(request).conversations.page(
        caller.user_id, limit=limit, after=after, search=search
    )
    return listing(
        [each.resource() for each in page.data],
        has_more=page.has_more,
        first=page.data[0].id if page.data else None,
        last=page.data[-1].id if page.data else None,
    )


async def _list(request: Request) -> Response | None:
    """As browsers ask; what else may be asked, and wrongly, is left to the declared parameters."""
    query = request.query_params
    asked = query.get("limit", str(MANY))
    limit = int(asked) if _SMALL.fullmatch(asked) else 0
    if not 0 < limit <= MOST or "search" in query:
        return None
    caller = await principal_of(request)
    return await list_conversations(request, caller, limit, query.get("after"))


@router.get(_ONE, response_model=ConversationResource, responses=documented(401, 404))
async def retrieve(request: Request, caller: Caller, conversation_id: str) -> Response:
    """One conversation."""
    found = await services_of(request).conversations.get(caller.user_id, conversation_id)
    return reply(found.resource())


@router.post(
    _ONE,
    response_model=ConversationResource,
    responses=documented(400, 401, 404, 413, 415),
    openapi_extra=body_schema(ConversationChange, renamed={"title": "Poets"}),
)
async def update(
    request: Request,
    caller: Caller,
    conversation_id: str,
    body: Annotated[ConversationChange, Depends(body_of(ConversationChange))],
) -> Response:
    """Change title or metadata; what is left out or null stays."""
    changed = await services_of(request).conversations.update(
        caller.user_id, conversation_id, title=body.title, metadata=body.metadata
    )
    return reply(changed.resource())


@router.delete(_ONE, response_model=DeletedConversation, responses=documented(401, 404))
async def delete(request: Request, caller: Caller, conversation_id: str) -> Response:
    """Delete a conversation and end what still runs in it. It can be restored for 10 minutes."""
    await services_of(request).conversations.delete(caller.user_id, conversation_id)
    return reply({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


@router.post(_ONE + "/restore", response_model=ConversationResource, responses=documented(401, 404))
async def restore(request: Request, caller: Caller, conversation_id: str) -> Response:
    """Undo a delete."""
    restored = await services_of(request).conversations.restore(caller.user_id, conversation_id)
    return reply(restored.resource())


@router.post(
    _ONE + "/head",
    response_model=ConversationResource,
    responses=documented(400, 401, 404, 413, 415),
    openapi_extra=body_schema(NewHead, beginning={"response_id": None}),
)
async def set_head(
    request: Request,
    caller: Caller,
    conversation_id: str,
    body: Annotated[NewHead, Depends(body_of(NewHead))],
) -> Response:
    """Choose the branch that is shown and continued, by its last response."""
    changed = await services_of(request).conversations.set_head(
        caller.user_id, conversation_id, body.response_id
    )
    return reply(changed.resource())


@router.get(_ONE + "/tree", response_model=Tree, responses=documented(401, 404))
async def tree(request: Request, caller: Caller, conversation_id: str) -> Response:
    """The conversation with all responses of all branches, in the order they were made."""
    conversation, nodes = await services_of(request).conversations.tree(
        caller.user_id, conversation_id
    )
    return reply({"conversation": conversation.resource(), "responses": nodes})


async def _tree(request: Request) -> Response:
    caller = await principal_of(request)
    return await tree(request, caller, request.path_params["conversation_id"])


#: See `transports.direct`.
DIRECT: Mapping[tuple[str, str], Handler] = {
    ("POST", _ROOT): _create,
    ("GET", _ROOT): _list,
    ("GET", _ONE + "/tree"): _tree,
}


# --- items -----------------------------------------------------------------------------------


@router.get(_ONE + "/items", response_model=ItemList, responses=documented(401, 404))
async def list_items(
    request: Request,
    caller: Caller,
    conversation_id: str,
    limit: Limit = 20,
    after: After = None,
    order: Annotated[Literal["asc", "desc"], Query(description="By time.")] = "desc",
) -> Response:
    """What was said on the branch of the head."""
    items = await services_of(request).conversations.items(caller.user_id, conversation_id)
    if order == "desc":
        items.reverse()
    page, has_more = cut(items, lambda item: item.id, limit=limit, after=after)
    return _items(page, has_more=has_more)


@router.post(
    _ONE + "/items",
    response_model=ItemList,
    responses=documented(400, 401, 404, 413, 415),
    openapi_extra=body_schema(NewItems, said={"items": _SAID}),
)
async def add_items(
    request: Request,
    caller: Caller,
    conversation_id: str,
    body: Annotated[NewItems, Depends(body_of(NewItems))],
) -> Response:
    """Put items behind the head, without asking a model."""
    services = services_of(request)
    await limit_creation(services, caller)
    added = await services.conversations.add_items(
        caller.user_id, conversation_id, await _parsed(services, caller, body.items)
    )
    return _items(added, has_more=False)


@router.get(
    _ONE + "/items/{item_id}",
    response_model=Annotated[dict[str, Any], typed_as("Item")],
    responses=documented(401, 404),
)
async def retrieve_item(
    request: Request, caller: Caller, conversation_id: str, item_id: str
) -> Response:
    """One item, on whatever branch."""
    services = services_of(request)
    return reply(await services.conversations.item(caller.user_id, conversation_id, item_id))


@router.delete(
    _ONE + "/items/{item_id}", response_model=ConversationResource, responses=documented(401, 404)
)
async def delete_item(
    request: Request, caller: Caller, conversation_id: str, item_id: str
) -> Response:
    """Erase an item's content; answers with the conversation."""
    services = services_of(request)
    changed = await services.conversations.delete_item(caller.user_id, conversation_id, item_id)
    return reply(changed.resource())


async def _parsed(services: Services, caller: Principal, items: list[Any]) -> tuple[Item, ...]:
    given = parse_items(Path(items, "items"), services.settings.limits)
    return await resolve(services.parts.store, caller.user_id, given, param="items")


def _items(items: Any, *, has_more: bool) -> Response:
    return listing(
        items,
        has_more=has_more,
        first=items[0].id if items else None,
        last=items[-1].id if items else None,
    )
