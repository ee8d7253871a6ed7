/** What a close code asks of a client, and how long it waits before it comes again. Pure. */

export type Verdict = "stop" | "refresh" | "now" | "backoff";

const STOP = new Set([4003, 4004, 4009, 4013]);
const REFRESH = new Set([4001, 4202]);
const NOW = new Set([4200, 4201]);

export function verdictOf(code: number): Verdict {
  if (STOP.has(code)) return "stop";
  if (REFRESH.has(code)) return "refresh";
  return NOW.has(code) ? "now" : "backoff";
}

const BASE_MS = 500;
const CAP_MS = 10_000;

/**
 * Exponential back-off with full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015): clients that a restart
 * has thrown out together do not come back together.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 10));
}
