"""From settings to the numbers that steer the pipeline."""

from __future__ import annotations

from tertulia.domain.admission import Limits
from tertulia.settings import Settings
from tertulia.turns.pace import Pace
from tertulia.turns.parts import Timing


def limits_of(settings: Settings) -> Limits:
    return Limits(
        running=settings.limits.running_per_user,
        waiting=settings.limits.waiting_per_user,
        capacity=settings.turns.slots,
    )


def pace_of(settings: Settings) -> Pace:
    return Pace(settings.turns.flush_ms / 1000, settings.turns.flushes_per_second)


def timing_of(settings: Settings) -> Timing:
    turns = settings.turns
    return Timing(
        lease=turns.lease_seconds,
        renew=turns.renew_seconds,
        sweep=turns.sweep_seconds,
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
