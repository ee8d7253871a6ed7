/**
 * Follows unfinished responses: takes their frames, folds them in batches, and asks again where something is missing.
 *
 * A batch is applied once per animation frame. Hidden tabs get no animation frames, so there it goes by the clock.
 */
import type { AppState } from "../state/app";
import { applyFrame, newResponse, withoutPosition } from "../state/response";
import type { ResponseState } from "../state/response";
import { isTerminal } from "../state/types";
import type { Frame } from "../state/types";
import type { Store } from "./store";

const HIDDEN_BATCH_MS = 250;
/** After a gap the missing frames come at once; if not, the position is given up. */
const GAP_PATIENCE_MS = 5_000;
/** The terminal frame may be some way behind the feed's word of the end. */
const END_PATIENCE_MS = 2_000;

export class Live {
  private queue: { id: string; frame: Frame }[] = [];
  private scheduled = false;
  private flushedAt = 0;
  /** What this connection has been subscribed to. */
  private readonly followed = new Set<string>();
  /** The position at which a gap was reported, so that every frame behind it does not report it again. */
  private readonly asked = new Map<string, number>();

  constructor(
    private readonly store: Store<AppState>,
    private readonly send: (message: object) => boolean,
  ) {}

  receive(id: string, frame: Frame): void {
    this.queue.push({ id, frame });
    if (document.hidden && performance.now() - this.flushedAt > HIDDEN_BATCH_MS) {
      this.flush();
    } else if (!this.scheduled) {
      this.scheduled = true;
      if (document.hidden) setTimeout(this.flush, HIDDEN_BATCH_MS);
      else requestAnimationFrame(this.flush);
    }
  }

  readonly flush = (): void => {
    this.scheduled = false;
    this.flushedAt = performance.now();
    const batch = this.queue;
    if (batch.length === 0) return;
    this.queue = [];

    const before = this.store.get().responses;
    const changed: Record<string, ResponseState> = {};
    const gaps = new Set<string>();
    for (const { id, frame } of batch) {
      const held = changed[id] ?? before[id] ?? newResponse(id);
      const { state, action } = applyFrame(held, frame);
      changed[id] = state;
      if (action === "resubscribe") gaps.add(id);
      else if (state.last !== held.last) gaps.delete(id);
    }
    this.store.update((state) => ({ ...state, responses: { ...state.responses, ...changed } }));
    for (const id of gaps) this.fillGap(id);
  };

  /** Once a connection: a refusal is not asked for again and again. */
  follow(id: string): void {
    if (!this.followed.has(id)) this.subscribe(id);
  }

  /** The server has subscribed this connection unasked, with the acknowledgement. */
  followedByServer(id: string): void {
    this.followed.add(id);
  }

  /** A new connection knows nothing of what the old one was asked. */
  reconnected(ids: Iterable<string>): void {
    this.flush();
    this.asked.clear();
    this.followed.clear();
    for (const id of ids) this.follow(id);
  }

  /** Nothing of an account may reach the next one. */
  reset(): void {
    this.queue = [];
    this.asked.clear();
    this.followed.clear();
  }

  /** The log does not hold our position: what is shown stays until the log's first frame or a snapshot replaces it. */
  positionLost(id: string): void {
    this.flush();
    this.asked.delete(id);
    this.store.update((state) => {
      const held = state.responses[id];
      return held === undefined ? state : { ...state, responses: { ...state.responses, [id]: withoutPosition(held) } };
    });
    this.subscribe(id);
  }

  ended(id: string): void {
    setTimeout(() => {
      this.flush();
      if (this.store.get().responses[id] !== undefined) this.subscribe(id);
    }, END_PATIENCE_MS);
  }

  /** From where we are; what is finished needs nothing more. */
  private subscribe(id: string): void {
    const state = this.store.get().responses[id];
    if (state !== undefined && isTerminal(state.status)) return;
    const last = state?.last ?? -1;
    const sent = this.send({ type: "subscribe", response_id: id, ...(last >= 0 ? { starting_after: last } : {}) });
    if (sent) this.followed.add(id);
  }

  private fillGap(id: string): void {
    const last = this.store.get().responses[id]?.last ?? -1;
    if (this.asked.get(id) === last) return;
    this.asked.set(id, last);
    this.subscribe(id);
    setTimeout(() => {
      this.flush();
      const stuck = this.asked.get(id) === last && this.store.get().responses[id]?.last === last;
      if (stuck) this.positionLost(id);
    }, GAP_PATIENCE_MS);
  }
}
