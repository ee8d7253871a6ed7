"""What a request's input refers to: items that are stored, and files that were uploaded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tertulia.domain.ids import FUNCTION_CALL, FUNCTION_OUTPUT, MESSAGE, REASONING, new_id
from tertulia.domain.item import (
    FunctionCall,
    FunctionCallOutput,
    Given,
    Item,
    ItemReference,
    Message,
    images_of,
)
from tertulia.errors import InvalidInput, NotFound
from tertulia.ports.model import Model
from tertulia.ports.store import Store


async def resolve(
    store: Store, user_id: str, given: Sequence[Given], *, param: str = "input"
) -> tuple[Item, ...]:
    """``given`` with copies, under ids of their own, of the items it refers to. The files that it
    names itself are there; those of copies may be gone.

    Raises:
        NotFound: an item or a file is not; ``param`` is the path, ``param`` of this call its root.
    """
    wanted = [each.id for each in given if isinstance(each, ItemReference)]
    found = await store.find_items(user_id, list(dict.fromkeys(wanted))) if wanted else {}
    items: list[Item] = []
    for index, each in enumerate(given):
        if not isinstance(each, ItemReference):
            items.append(each)
        elif each.id in found:
            items.append(_copy(found[each.id]))
        else:
            raise NotFound(
                f"Item with id '{each.id}' not found. Only items of responses that were stored, "
                "and were not deleted since, can be referred to.",
                code="item_not_found",
                param=f"{param}[{index}].id",
            )
    await _check_files(store, user_id, given, param)
    return tuple(items)


def check_images(given: Sequence[Item], model: Model) -> None:
    """Raises `InvalidInput` when there are images and ``model`` sees none."""
    if model.info.images:
        return
    for index, item in enumerate(given):
        if images_of(item):
            raise InvalidInput(
                f"The model {model.info.id} takes no images. Leave the image out, or choose a "
                "model whose capabilities, in /v1/models, name images.",
                code="unsupported_value",
                param=f"input[{index}]",
            )


def _copy(item: Item) -> Item:
    """What is copied from is erased on its own, so no two rows may share an id."""
    if isinstance(item, Message):
        prefix = MESSAGE
    elif isinstance(item, FunctionCall):
        prefix = FUNCTION_CALL
    elif isinstance(item, FunctionCallOutput):
        prefix = FUNCTION_OUTPUT
    else:
        prefix = REASONING
    return msgspec.structs.replace(item, id=new_id(prefix))


async def _check_files(store: Store, user_id: str, given: Sequence[Given], param: str) -> None:
    named = {
        shown.file_id: f"{param}[{index}]"
        for index, item in enumerate(given)
        for shown in images_of(item)
        if shown.file_id is not msgspec.UNSET
    }
    for file_id in await store.missing_files(user_id, list(named)) if named else ():
        raise NotFound(
            f"There is no file {file_id}: it was never uploaded, was deleted, or has expired.",
            code="file_not_found",
            param=named[file_id],
        )
