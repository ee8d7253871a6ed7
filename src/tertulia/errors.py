"""The errors that Tertulia raises on purpose.

Every error names what was wrong, where, and what to do; ``str(error)`` is written for the
person who sees it and never holds the text of a conversation. ``status`` is the HTTP status a
transport answers with, ``code`` and ``param`` follow OpenAI's error object.

    TertuliaError
    ├── InvalidInput            400  the request breaks the standard's shape
    │   ├── Unprocessable       422  a resource of ours was sent wrong
    │   ├── TooLarge            413
    │   └── ContextTooLong      400  the conversation cannot fit the model's window
    ├── Unauthorized            401
    ├── Forbidden               403
    ├── NotFound                404  unknown and foreign ids alike
    ├── Conflict                409
    ├── PositionLost            410  the log no longer holds the position
    ├── RateLimited             429
    ├── Unavailable             503  a part we depend on does not answer; try again
    │   └── Overloaded          503  it would wait too long; nothing of it was accepted
    ├── Misconfigured                a setting is wrong; names it and the remedy
    ├── DataFolderError              in use, read-only, full, or of a newer version
    ├── ModelError              502  the model, or the server it runs on, failed
    │   ├── ModelRateLimited    429
    │   ├── ModelRefused        400  the server refused this very request
    │   ├── ModelUnauthorized   502  our key was refused
    │   ├── ModelUnavailable    503  no connection, time-out, 5xx
    │   └── ModelGarbage        502  the server's answer could not be understood
    └── Fenced                       a later attempt holds the response; stop at once
"""

from __future__ import annotations


class TertuliaError(Exception):
    """Base of all errors raised on purpose."""

    status = 500
    type = "server_error"
    default_code = "server_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.param = param
        #: Seconds after which trying again is sensible.
        self.retry_after = retry_after


class InvalidInput(TertuliaError):
    status = 400
    type = "invalid_request_error"
    default_code = "invalid_request"


class Unprocessable(InvalidInput):
    status = 422
    default_code = "unprocessable"


class TooLarge(InvalidInput):
    status = 413
    default_code = "request_too_large"


class ContextTooLong(InvalidInput):
    default_code = "context_length_exceeded"


class Unauthorized(TertuliaError):
    status = 401
    type = "authentication_error"
    default_code = "unauthorized"


class Forbidden(TertuliaError):
    status = 403
    type = "permission_error"
    default_code = "forbidden"


class NotFound(TertuliaError):
    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class Conflict(TertuliaError):
    status = 409
    type = "invalid_request_error"
    default_code = "conflict"


class PositionLost(TertuliaError):
    status = 410
    type = "invalid_request_error"
    default_code = "position_lost"


class RateLimited(TertuliaError):
    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class Unavailable(TertuliaError):
    status = 503
    default_code = "unavailable"


class Overloaded(Unavailable):
    default_code = "overloaded"


class Misconfigured(TertuliaError):
    default_code = "misconfigured"


class DataFolderError(TertuliaError):
    status = 503
    default_code = "data_folder"


class ModelError(TertuliaError):
    status = 502
    type = "model_error"
    default_code = "model_error"
    #: Whether the same call may succeed when made again before any chunk arrived.
    retryable = False


class ModelRateLimited(ModelError):
    status = 429
    type = "rate_limit_error"
    default_code = "model_rate_limited"
    retryable = True


class ModelRefused(ModelError):
    status = 400
    type = "invalid_request_error"
    default_code = "model_refused"


class ModelUnauthorized(ModelError):
    default_code = "model_unauthorized"


class ModelUnavailable(ModelError):
    status = 503
    default_code = "model_unavailable"
    retryable = True


class ModelGarbage(ModelError):
    default_code = "model_garbage"


class Fenced(TertuliaError):
    """A write carried a stale attempt: another worker has taken the response over."""

    default_code = "fenced"
