"""What a server says of itself: logs and metrics, neither ever with what people say."""

from tertulia.telemetry.logs import (
    CAUSES,
    STACK_FRAMES,
    configure,
    describe,
    error_code,
    request_id,
    watch_loop,
)

__all__ = [
    "CAUSES",
    "STACK_FRAMES",
    "configure",
    "describe",
    "error_code",
    "request_id",
    "watch_loop",
]
