"""What the Redis event log asks of Redis. Each script touches the keys of one response only.

``log`` is a hash: whose it is (``user``), the fence (``attempt``), the number of its last frame
(``last``), whether it ``ended``, whether it was asked to ``cancel``, and its size in ``bytes``.
``frames`` is a stream of one entry an append: frames packed and sealed as one value, under the
number of the last of them. An append that repeats frames is stored as it came, so readers of the
stream drop what they have. What is published is the writing node, the number, and that value.

The channel is no key: while a slot moves, a script is run where all its keys are, and a channel is
nowhere.
"""

from __future__ import annotations

from typing import Final

from tertulia.adapters.redis.call import Script

#: Refusals of `append`, each the first word of a reply.
GONE, FENCED, ENDED, GAP, FULL = b"gone", b"fenced", b"ended", b"gap", b"full"
#: What is published in place of a number when a log was erased.
DROPPED: Final = b"-"
#: Length of a node's name before what it publishes.
NODE: Final = 16

_SHARDED: Final = "(redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH')"
_PLAIN: Final = "'PUBLISH'"

#: KEYS log, frames. ARGV 1 user, 2 attempt, 3 first number, 4 the number that it
#: follows, 5 last number, 6 whether it is a beginning, 7 ends, 8 bytes allowed (0: any),
#: 9 milliseconds to live, 10 node, 11 value, 12 channel, then first and last of each run within
#: the frames where there is more than one. Gives whether a cancellation was asked for, or a
#: refusal.
_APPEND: Final = """
local log = redis.call('HMGET', KEYS[1], 'user', 'attempt', 'last', 'ended', 'cancel', 'bytes')
if log[1] ~= ARGV[1] then return {'gone'} end
local attempt, fence = tonumber(ARGV[2]), tonumber(log[2])
if attempt < fence then return {'fenced', fence} end
local first, last, held = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(log[3] or '')
local cancel = log[5] and 1 or 0
if held and last <= held then return cancel end
if log[4] then return {'ended', held} end
local fits
if not held then
  fits = ARGV[6] == '1'
elseif first > held then
  fits = tonumber(ARGV[4]) == held
else
  fits = #ARGV == 12
  for run = 13, #ARGV, 2 do
    fits = fits or (tonumber(ARGV[run]) <= held and held <= tonumber(ARGV[run + 1]))
  end
end
if not fits then
  if ARGV[7] == '1' and (not held or first > held) then
    -- Whoever wrote the frames before has done so and left: the log can never be whole again.
    redis.call('DEL', KEYS[1], KEYS[2])
    redis.call(PUBLISH, ARGV[12], ARGV[10] .. '-:')
    return {'gone'}
  end
  return {'gap', held or -1}
end
local bytes = tonumber(log[6] or '0') + #ARGV[11]
if ARGV[8] ~= '0' and bytes > tonumber(ARGV[8]) then return {'full'} end
if not held then
  redis.call('XADD', KEYS[2], ARGV[5] .. '-1', 'f', ARGV[11])
elseif not redis.call('XADD', KEYS[2], 'NOMKSTREAM', ARGV[5] .. '-1', 'f', ARGV[11]) then
  -- The frames were evicted and the log was not: never show it without its beginning.
  redis.call('DEL', KEYS[1])
  return {'gone'}
end
redis.call('HSET', KEYS[1], 'attempt', ARGV[2], 'last', ARGV[5], 'bytes', bytes)
if ARGV[7] == '1' then redis.call('HSET', KEYS[1], 'ended', '1') end
redis.call('PEXPIRE', KEYS[1], ARGV[9])
redis.call('PEXPIRE', KEYS[2], ARGV[9])
redis.call(PUBLISH, ARGV[12], ARGV[10] .. ARGV[5] .. ':' .. ARGV[11])
return cancel
"""

#: KEYS log, frames. ARGV user, attempt, milliseconds to live. Gives the entries, or a refusal.
_OPEN: Final = """
local log = redis.call('HMGET', KEYS[1], 'user', 'attempt', 'last', 'ended')
local mine = log[1] == ARGV[1]
if mine and tonumber(log[2]) > tonumber(ARGV[2]) then return {'fenced', tonumber(log[2])} end
if mine and (not log[3] or redis.call('EXISTS', KEYS[2]) == 1) then
  redis.call('HSET', KEYS[1], 'attempt', ARGV[2])
  if not log[4] then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
  end
  return {'held', redis.call('XRANGE', KEYS[2], '-', '+')}
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'user', ARGV[1], 'attempt', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'held', {}}
"""

#: KEYS log.
_CANCEL: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'cancel', '1') end
return 0
"""

#: KEYS log, frames. ARGV node, channel. Gives whether there was a log.
_DROP: Final = """
local there = redis.call('DEL', KEYS[1], KEYS[2])
redis.call(PUBLISH, ARGV[2], ARGV[1] .. '-:')
return there
"""

#: KEYS log, frames. ARGV 1 node, 2 and 3 milliseconds that a log lives after its last
#: write while it runs and when it has ended, 4 milliseconds since then that are enough,
#: 5 channel.
_PURGE: Final = """
local left = redis.call('PTTL', KEYS[1])
if left < 0 then return 0 end
local lives = tonumber(redis.call('HEXISTS', KEYS[1], 'ended') == 1 and ARGV[3] or ARGV[2])
if lives - left < tonumber(ARGV[4]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call(PUBLISH, ARGV[5], ARGV[1] .. '-:')
return 1
"""


class Scripts:
    """``sharded``: channels belong to slots, where the server knows such (7.0)."""

    def __init__(self, *, sharded: bool) -> None:
        def of(text: str) -> Script:
            return Script(text.replace("PUBLISH,", f"{publish},").strip())

        publish = _SHARDED if sharded else _PLAIN
        self.append = of(_APPEND)
        self.open = of(_OPEN)
        self.cancel = of(_CANCEL)
        self.drop = of(_DROP)
        self.purge = of(_PURGE)
