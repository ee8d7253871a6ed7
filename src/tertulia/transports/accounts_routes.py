"""``/auth/*``, ``/v1/me`` and ``/v1/keys``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import APIKeyCookie
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.responses import Response

import tertulia
from tertulia.accounts import Session
from tertulia.accounts.passwords import MAX_PASSWORD_CHARS
from tertulia.accounts.service import MAX_KEY_NAME_CHARS
from tertulia.domain.principal import Principal
from tertulia.errors import Forbidden, NotFound, Unprocessable
from tertulia.ports.accounts import ApiKey, User
from tertulia.transports.auth import (
    Caller,
    address_of,
    limit_creation,
    require_same_origin,
    token_of,
)
from tertulia.transports.body import body_of, body_schema
from tertulia.transports.errors import documented
from tertulia.transports.reply import reply
from tertulia.transports.services import Services, services_of
from tertulia.turns.remove import Remover

COOKIE, COOKIE_PATH = "tertulia_refresh", "/auth"

_ANN = {"email": "ann@example.org", "password": "correct horse battery"}

#: Before anybody is known, nobody needs to send more than this.
_SMALL = 16 * 2**10

_cookie = APIKeyCookie(
    name=COOKIE, auto_error=False, description="The rotating refresh token, set at sign-in."
)

router = APIRouter()


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Credentials(Body):
    email: str
    password: str = Field(max_length=MAX_PASSWORD_CHARS)


class PasswordChange(Body):
    current_password: str = Field(max_length=MAX_PASSWORD_CHARS)
    new_password: str


class Removal(Body):
    password: str = Field(max_length=MAX_PASSWORD_CHARS)


class Profile(Body):
    instructions: str | None = Field(None, description="Sent to the model before every chat.")
    default_model: str | None = None


class NewKey(Body):
    name: str = Field(min_length=1, max_length=MAX_KEY_NAME_CHARS)


# --- what is answered, for the OpenAPI document ----------------------------------------------


class AuthConfig(BaseModel):
    auth: bool
    registration: Literal["open", "closed"]
    version: str


class UserResource(BaseModel):
    id: str
    email: str
    role: Literal["user", "admin"]


class SessionResource(BaseModel):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    user: UserResource


class MeResource(UserResource):
    instructions: str | None
    default_model: str | None


class KeyResource(BaseModel):
    id: str
    name: str
    prefix: str
    created_at: int
    last_used_at: int | None


class NewKeyResource(KeyResource):
    key: str


class KeyList(BaseModel):
    object: Literal["list"]
    data: list[KeyResource]


# --- signing in and out ----------------------------------------------------------------------


@router.get("/auth/config", tags=["auth"], response_model=AuthConfig, responses=documented())
async def auth_config(request: Request) -> Response:
    """What a client must know before it can sign anybody in."""
    settings = services_of(request).settings
    opened = settings.auth and settings.registration_is_open
    return reply(
        {
            "auth": settings.auth,
            "registration": "open" if opened else "closed",
            "version": tertulia.__version__,
        }
    )


@router.post(
    "/auth/register",
    tags=["auth"],
    status_code=201,
    response_model=SessionResource,
    responses=documented(400, 409, 413, 415),
    openapi_extra=body_schema(Credentials, account=_ANN),
    dependencies=[Depends(require_same_origin)],
)
async def register(
    request: Request, body: Annotated[Credentials, Depends(body_of(Credentials, limit=_SMALL))]
) -> Response:
    """Make an account and sign in."""
    services = _with_accounts(request)
    session = await services.accounts.register(
        body.email, body.password, address=address_of(request)
    )
    return _session(request, session, 201)


@router.post(
    "/auth/login",
    tags=["auth"],
    response_model=SessionResource,
    responses=documented(400, 401, 413, 415),
    openapi_extra=body_schema(Credentials, account=_ANN),
    dependencies=[Depends(require_same_origin)],
)
async def login(
    request: Request, body: Annotated[Credentials, Depends(body_of(Credentials, limit=_SMALL))]
) -> Response:
    """Sign in."""
    services = _with_accounts(request)
    session = await services.accounts.sign_in(
        body.email, body.password, address=address_of(request)
    )
    return _session(request, session)


@router.post(
    "/auth/refresh",
    tags=["auth"],
    response_model=SessionResource,
    responses=documented(401),
    dependencies=[Depends(require_same_origin)],
)
async def refresh(request: Request, token: Annotated[str | None, Security(_cookie)]) -> Response:
    """The next access token. The cookie changes with every call; the one before it is good for a
    minute more, and one that is older ends the login."""
    services = services_of(request)
    if not services.settings.auth:
        user = await services.accounts.user(await services.accounts.local_principal())
        return reply(_session_resource(user, "", services.settings.tokens.access_seconds))
    return _session(request, await services.accounts.refresh(token))


@router.post(
    "/auth/logout",
    tags=["auth"],
    status_code=204,
    responses=documented(),
    dependencies=[Depends(require_same_origin)],
)
async def logout(request: Request, token: Annotated[str | None, Security(_cookie)]) -> Response:
    """End this login, whether or not its tokens are still good."""
    await services_of(request).accounts.sign_out(token, token_of(request))
    response = Response(status_code=204)
    _set_cookie(request, response, "", 0)
    return response


@router.post(
    "/auth/password",
    tags=["auth"],
    status_code=204,
    responses=documented(400, 401, 413, 415),
    openapi_extra=body_schema(
        PasswordChange,
        another={"current_password": _ANN["password"], "new_password": "staple battery horse"},
    ),
)
async def change_password(
    request: Request,
    caller: Caller,
    body: Annotated[PasswordChange, Depends(body_of(PasswordChange, limit=_SMALL))],
) -> Response:
    """Change the password; all other logins of the user end."""
    await services_of(request).accounts.change_password(
        caller, body.current_password, body.new_password
    )
    return Response(status_code=204)


def _with_accounts(request: Request) -> Services:
    services = services_of(request)
    if not services.settings.auth:
        raise Forbidden("This server runs without sign-in.", code="registration_closed")
    return services


def _session(request: Request, session: Session, status: int = 200) -> Response:
    response = reply(
        _session_resource(session.user, session.access_token, session.expires_in), status
    )
    _set_cookie(request, response, session.refresh_token, session.refresh_seconds)
    return response


def _session_resource(user: User, access_token: str, expires_in: int) -> dict[str, Any]:
    return {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": expires_in,
        "user": {"id": user.id, "email": user.email, "role": user.role},
    }


def _set_cookie(request: Request, response: Response, value: str, seconds: int) -> None:
    response.set_cookie(
        COOKIE,
        value,
        max_age=seconds,
        path=COOKIE_PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


# --- the user's own --------------------------------------------------------------------------


@router.get("/v1/me", tags=["me"], response_model=MeResource, responses=documented(401))
async def me(request: Request, caller: Caller) -> Response:
    """Who is calling."""
    return reply(_me(await services_of(request).accounts.user(caller)))


@router.patch(
    "/v1/me",
    tags=["me"],
    response_model=MeResource,
    responses=documented(400, 401, 413, 415),
    openapi_extra=body_schema(
        Profile,
        instructions={"instructions": "Answer in British English."},
        cleared={"instructions": None, "default_model": None},
    ),
)
async def update_me(
    request: Request, caller: Caller, body: Annotated[Profile, Depends(body_of(Profile))]
) -> Response:
    """Change custom instructions or the default model; null clears, what is left out stays."""
    services = services_of(request)
    _check_profile(services, caller, body)
    user = await services.accounts.user(caller)
    given = body.model_fields_set
    user = await services.accounts.set_profile(
        caller,
        instructions=body.instructions if "instructions" in given else user.instructions,
        default_model=body.default_model if "default_model" in given else user.default_model,
    )
    return reply(_me(user))


@router.delete(
    "/v1/me",
    tags=["me"],
    status_code=204,
    responses=documented(400, 401, 413, 415),
    openapi_extra=body_schema(Removal, account={"password": _ANN["password"]}),
)
async def delete_me(
    request: Request,
    caller: Caller,
    body: Annotated[Removal, Depends(body_of(Removal, limit=_SMALL))],
) -> Response:
    """Delete the caller's account with all there is of it, for good. Every sign-in and API key has
    ended and every answer has stopped when this returns; the keys that the data is sealed with are
    destroyed next, and then the data is erased. Not with an API key, nor without sign-in."""
    services = services_of(request)
    await services.accounts.confirm_removal(caller, body.password, address=address_of(request))
    parts = services.parts
    remover = Remover(parts.store, parts.log, parts.bus)
    await remover.begin(caller.user_id)
    services.accounts.doubt(caller.user_id)
    finish = BackgroundTask(remover.try_to_finish, caller.user_id)
    response = Response(status_code=204, background=finish)
    _set_cookie(request, response, "", 0)
    return response


def _check_profile(services: Services, caller: Principal, body: Profile) -> None:
    longest = services.settings.limits.instruction_chars
    if body.instructions is not None and len(body.instructions) > longest:
        raise Unprocessable(
            f"Instructions have at most {longest} characters.", param="instructions"
        )
    if body.default_model is not None:
        try:
            services.parts.models.get(body.default_model, admin=caller.admin)
        except NotFound as error:
            raise Unprocessable(error.message, code=error.code, param="default_model") from None


def _me(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "role": user.role,
        "instructions": user.instructions,
        "default_model": user.default_model,
    }


@router.get("/v1/keys", tags=["keys"], response_model=KeyList, responses=documented(401))
async def list_keys(request: Request, caller: Caller) -> Response:
    """The user's API keys, without their secrets."""
    keys = await services_of(request).accounts.keys(caller)
    return reply({"object": "list", "data": [_key(key) for key in keys]})


@router.post(
    "/v1/keys",
    tags=["keys"],
    status_code=201,
    response_model=NewKeyResource,
    responses=documented(400, 401, 413, 415),
    openapi_extra=body_schema(NewKey, named={"name": "laptop"}),
)
async def create_key(
    request: Request, caller: Caller, body: Annotated[NewKey, Depends(body_of(NewKey))]
) -> Response:
    """A new API key. Its secret, ``key``, is shown this once."""
    services = services_of(request)
    await limit_creation(services, caller)
    key, secret = await services.accounts.create_key(caller.user_id, body.name)
    return reply({**_key(key), "key": secret}, 201)


@router.delete("/v1/keys/{key_id}", tags=["keys"], status_code=204, responses=documented(401, 404))
async def revoke_key(request: Request, caller: Caller, key_id: str) -> Response:
    """Revoke an API key, at once and for good."""
    await services_of(request).accounts.revoke_key(caller, key_id)
    return Response(status_code=204)


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": int(key.created_at),
        "last_used_at": None if key.last_used_at is None else int(key.last_used_at),
    }
