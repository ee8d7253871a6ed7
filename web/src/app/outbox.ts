/**
 * Takes every send to its acknowledgement: through reconnects, reloads and server restarts, with one idempotency key,
 * so that one press of Enter makes exactly one answer. Only the server's refusal makes a send fail, and then its text
 * stays on the screen with Retry.
 */
import { ApiError, NetworkError } from "../net/http";
import type { Http } from "../net/http";
import { backoffMs } from "../net/reconnect";
import type { AppState } from "../state/app";
import { putConversation } from "../state/feed";
import { newResponse } from "../state/response";
import { nodeOf } from "../state/send";
import type { Send } from "../state/send";
import { emptyTree, insert } from "../state/tree";
import type { Conversation, ErrorBody, ResponseResource } from "../state/types";
import type { BrowserStorage } from "./browser-storage";
import type { Store } from "./store";

const ACK_MS = 15_000;
/** A server that answers only with faults of its own is asked this often, some 20 s long, before the user is. */
const SERVER_ERROR_TRIES = 6;
/** The server remembers idempotency keys for a day; an older send could be answered twice. */
const KEY_LIFE_MS = 23 * 3600 * 1000;
/** Room for the envelope between a message and the server's limit on a frame. */
const FRAME_MARGIN = 4_096;

export interface OutboxEvents {
  conversationCreated(send: Send, conversation: Conversation): void;
  /** `beside`: by HTTP, so that the socket knows nothing of the response yet. */
  acknowledged(send: Send, responseId: string, beside: boolean): void;
  /** A send without words of the user's has nothing to keep: it is dropped and only told. */
  refused(error: ErrorBody): void;
}

export class Outbox {
  private readonly busy = new Set<string>();
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly tries = new Map<string, number>();
  maxFrame = 65_536;

  constructor(
    private readonly store: Store<AppState>,
    private readonly http: Http,
    private readonly socketSend: (message: object) => boolean,
    private readonly storage: BrowserStorage,
    private readonly events: OutboxEvents,
  ) {}

  /** What an earlier page of this browser has left unacknowledged. */
  restore(): void {
    const sends = this.storage.sends().map((send) => {
      const stale = send.failed === null && Date.now() - send.createdAt > KEY_LIFE_MS;
      return stale ? { ...send, failed: { message: "This message was not sent." } } : send;
    });
    this.store.update((state) => ({ ...state, sends }));
    this.resume();
  }

  submit(send: Send): void {
    this.storage.saveSend(send);
    this.store.update((state) => ({ ...state, sends: [...state.sends, send] }));
    void this.process(send.id);
  }

  /** After a hello, or when the network is back. */
  resume(): void {
    this.busy.clear();
    for (const send of this.store.get().sends) if (send.failed === null) void this.process(send.id);
  }

  /** The very same request: where the server's answer leaves open whether it was taken. */
  repeat(id: string): void {
    this.tries.delete(id);
    this.change(id, { failed: null });
    void this.process(id);
  }

  /** A new request in place of a refused one, which has left nothing behind. */
  replace(id: string, next: Send): void {
    this.forget(id);
    this.submit(next);
  }

  discard(id: string): void {
    this.forget(id);
  }

  /** Before the acknowledgement there is nothing to cancel yet; it is done as soon as there is. */
  stop(id: string): void {
    this.change(id, { stopped: true });
  }

  acknowledge(requestId: string, responseId: string, beside = false): void {
    const send = this.find(requestId);
    if (send === undefined) return;
    const conversationId = send.conversationId;
    this.forget(requestId);
    if (conversationId !== null) this.store.update((state) => placed(state, send, conversationId, responseId));
    this.events.acknowledged(send, responseId, beside);
  }

  error(requestId: string, error: ErrorBody): void {
    this.busy.delete(requestId);
    this.answered(requestId, error);
  }

  /** The server's own faults may pass by themselves; whatever else it says is its last word. */
  private answered(id: string, error: ErrorBody): void {
    const again = error.type === "server_error" && (this.tries.get(id) ?? 0) < SERVER_ERROR_TRIES;
    if (again) this.later(id);
    else this.fail(id, error);
  }

  private async process(id: string): Promise<void> {
    const send = this.find(id);
    if (send === undefined || send.failed !== null || this.busy.has(id)) return;
    this.busy.add(id);
    clearTimeout(this.timers.get(id));
    try {
      const conversationId = send.conversationId ?? (await this.createConversation(send));
      await this.create(id, { conversation: conversationId, ...send.body });
    } catch (error) {
      this.busy.delete(id);
      if (error instanceof NetworkError) this.later(id);
      else if (error instanceof ApiError) this.answered(id, error.status >= 500 ? { ...error.body, type: "server_error" } : error.body);
      else this.fail(id, { message: String(error) });
    }
  }

  private async createConversation(send: Send): Promise<string> {
    const conversation = await this.http.call<Conversation>("/v1/conversations", {
      method: "POST",
      body: {},
      idempotencyKey: send.id,
    });
    this.store.update((state) => ({
      ...putConversation(state, state.conversations[conversation.id] ?? conversation),
      trees: { ...state.trees, [conversation.id]: state.trees[conversation.id] ?? emptyTree },
      treeStatus: { ...state.treeStatus, [conversation.id]: "ready" },
    }));
    this.change(send.id, { conversationId: conversation.id });
    this.events.conversationCreated(send, conversation);
    return conversation.id;
  }

  private async create(id: string, body: object): Promise<void> {
    const message = { type: "response.create", request_id: id, ...body };
    const bytes = new TextEncoder().encode(JSON.stringify(message)).length;
    if (bytes > this.maxFrame - FRAME_MARGIN) {
      const response = await this.http.call<ResponseResource>("/v1/responses", {
        method: "POST",
        body: { ...body, background: true },
        idempotencyKey: id,
      });
      this.acknowledge(id, response.id, true);
    } else if (this.socketSend(message)) {
      this.again(id, ACK_MS);
    } else {
      // Not connected: the next hello resumes.
      this.busy.delete(id);
    }
  }

  private later(id: string): void {
    const tries = this.tries.get(id) ?? 0;
    this.tries.set(id, tries + 1);
    this.again(id, 500 + backoffMs(tries));
  }

  private again(id: string, inMs: number): void {
    clearTimeout(this.timers.get(id));
    const timer = setTimeout(() => {
      this.busy.delete(id);
      void this.process(id);
    }, inMs);
    this.timers.set(id, timer);
  }

  private fail(id: string, error: ErrorBody): void {
    const send = this.find(id);
    if (send === undefined) return;
    clearTimeout(this.timers.get(id));
    if (send.kind === "message" || send.kind === "edit") {
      this.change(id, { failed: error });
    } else {
      this.forget(id);
      this.events.refused(error);
    }
  }

  private find(id: string): Send | undefined {
    return this.store.get().sends.find((send) => send.id === id);
  }

  private change(id: string, change: Partial<Send>): void {
    this.store.update((state) => ({
      ...state,
      sends: state.sends.map((send) => (send.id === id ? { ...send, ...change } : send)),
    }));
    const send = this.find(id);
    if (send !== undefined) this.storage.saveSend(send);
  }

  private forget(id: string): void {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
    this.tries.delete(id);
    this.busy.delete(id);
    this.storage.dropSend(id);
    this.store.update((state) => ({ ...state, sends: state.sends.filter((send) => send.id !== id) }));
  }
}

/** The acknowledged send takes its place in the tree, and the head with it. */
function placed(state: AppState, send: Send, conversationId: string, responseId: string): AppState {
  const tree = state.trees[conversationId] ?? emptyTree;
  const conversation = state.conversations[conversationId];
  const next: AppState = {
    ...state,
    trees: { ...state.trees, [conversationId]: insert(tree, nodeOf(send, responseId, tree)) },
    responses: { ...state.responses, [responseId]: state.responses[responseId] ?? newResponse(responseId) },
  };
  if (conversation === undefined) return next;
  return putConversation(next, { ...conversation, head: responseId, updated_at: Math.floor(Date.now() / 1000) });
}
