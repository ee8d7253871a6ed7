"""From settings to the numbers that steer the pipeline."""

from __future__ import annotations

from tertulia.bootstrap.backends import on_redis
from tertulia.bootstrap.roles import Role
from tertulia.domain.admission import Limits
from tertulia.settings import Settings
from tertulia.turns.pace import Pace
from tertulia.turns.parts import Timing


def limits_of(settings: Settings) -> Limits:
    return Limits(
        running=settings.limits.running_per_user,
        waiting=settings.limits.waiting_per_user,
        capacity=settings.turns.slots,
        reserved=settings.turns.reserved_share,
        shed_wait=settings.turns.shed_wait_seconds,
    )


#: Milliseconds for which text is put together: within a process, and where each delta is work for
#: a worker, the log and an API node.
_FLUSH_MS, _FLUSH_MS_APART = 30.0, 50.0


def pace_of(settings: Settings) -> Pace:
    shipped = _FLUSH_MS_APART if on_redis(settings.eventlog) else _FLUSH_MS
    return Pace((settings.turns.flush_ms or shipped) / 1000, settings.turns.flushes_per_second)


#: An API node can ring and not take: workers find first what was not heard.
_API_LATER = 4


def timing_of(settings: Settings, role: Role = "serve") -> Timing:
    turns = settings.turns
    # A ring within the process is never lost; a broker may keep one for a while.
    ring_again = turns.sweep_seconds if settings.queue == "memory" else turns.ring_again_seconds
    return Timing(
        lease=turns.lease_seconds,
        renew=turns.renew_seconds,
        sweep=turns.sweep_seconds,
        ring_again=ring_again * (_API_LATER if role == "api" else 1),
        waiting=turns.waiting_seconds,
        running=turns.running_seconds,
        cancel_check=turns.cancel_check_seconds,
        reader_recheck=turns.reader_recheck_seconds,
        flush_bytes=turns.flush_bytes,
        grace=turns.grace_seconds,
        log_retention=turns.log_retention_seconds,
        # A socket may go on from such a response until it closes, and its last turn takes a while.
        ephemeral=max(
            turns.ephemeral_seconds, settings.limits.socket_seconds + turns.running_seconds
        ),
        abandoned=turns.abandoned_seconds,
        max_crashes=turns.max_crashes,
        feed_history=settings.feed.history,
    )
