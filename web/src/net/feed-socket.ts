/**
 * The one socket of this tab, kept open whatever happens to it. It knows the feed's handshake, its pings and its close
 * codes; what the messages mean is its owner's business.
 */
import { backoffMs, verdictOf } from "./reconnect";
import type * as api from "../api/schema";
import type { ConnectionPhase } from "../state/app";
import type { FeedEvent } from "../state/feed";
import type { ErrorBody, Frame } from "../state/types";

export type FeedPosition = api.FeedHelloMessage["feed"];

/** Those that hold talk are looser here: what they hold goes through the reducers as it is. */
export type ServerMessage =
  | api.FeedHelloMessage
  | api.FeedAckMessage
  | (Omit<api.FeedEventMessage, "event"> & { event: Frame })
  | (Omit<api.FeedEntryMessage, "event"> & { event: FeedEvent })
  | api.FeedResyncMessage
  | api.FeedTypingMessage
  | (Omit<api.FeedErrorMessage, "error"> & { error: ErrorBody })
  | api.FeedPingMessage
  | api.FeedGoawayMessage;

export interface FeedOwner {
  /** A token with life left; null when the server asks for none. Rejects when the login is over or unreachable. */
  token(): Promise<string | null>;
  /** As `token`, but surely a new one. */
  refresh(): Promise<unknown>;
  position(): FeedPosition | null;
  onMessage(message: ServerMessage): void;
  onPhase(phase: ConnectionPhase, code: number | null): void;
}

/** The server pings every 25 s; a socket silent for longer than this is dead, whatever the browser thinks. */
const SILENCE_MS = 40_000;
const HELLO_MS = 10_000;

export class FeedSocket {
  private socket: WebSocket | null = null;
  private running = false;
  private greeted = false;
  /** The server has said not to come back by ourselves. */
  private halted = false;
  /** Connections in a row that ended before their hello. */
  private failures = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  /** Raised by every new connection, so that late events of an older one are known as such. */
  private generation = 0;

  constructor(
    private readonly url: string,
    private readonly owner: FeedOwner,
    private readonly random: () => number = Math.random,
  ) {}

  get open(): boolean {
    return this.greeted;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.halted = false;
    this.failures = 0;
    this.owner.onPhase("connecting", null);
    void this.connect();
  }

  stop(): void {
    this.running = false;
    clearTimeout(this.retry);
    this.drop();
  }

  /** False when there is no connection: the caller's state says what to send after the next hello. */
  send(message: object): boolean {
    if (!this.greeted || this.socket === null) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** A renewed token keeps the running socket authorised. */
  reauthenticate(token: string): void {
    this.send({ type: "auth", token });
  }

  /** The network or the page came back: try at once what a timer would try later. */
  wake(): void {
    if (!this.halted && !this.greeted) this.restart();
  }

  /** The network changed under a socket that may not notice for minutes: a new one finds out, and resumes. */
  renew(): void {
    if (!this.halted) this.restart();
  }

  /** The user asks. */
  restart(): void {
    if (!this.running) return;
    clearTimeout(this.retry);
    this.halted = false;
    this.failures = 0;
    this.drop();
    this.owner.onPhase(this.waiting(), null);
    void this.connect();
  }

  private async connect(): Promise<void> {
    const generation = ++this.generation;
    let token: string | null;
    try {
      token = await this.owner.token();
    } catch {
      // The login is over (the owner stops us) or the server is away (we come again).
      if (generation === this.generation && this.running) this.later();
      return;
    }
    if (generation !== this.generation || !this.running) return;

    const socket = new WebSocket(this.url);
    this.socket = socket;
    const mine = (): boolean => generation === this.generation;
    this.expect(HELLO_MS);
    socket.addEventListener("open", () => {
      if (!mine()) return;
      const feed = this.owner.position();
      socket.send(JSON.stringify({ type: "auth", token, ...(feed === null ? {} : { feed }) }));
    });
    socket.addEventListener("message", (event: MessageEvent<string>) => {
      if (mine()) this.receive(event.data);
    });
    socket.addEventListener("close", (event: CloseEvent) => {
      if (mine()) this.closed(event.code);
    });
  }

  private receive(data: string): void {
    this.expect(SILENCE_MS);
    const message = JSON.parse(data) as ServerMessage;
    if (message.type === "hello") {
      this.greeted = true;
      this.failures = 0;
      this.owner.onPhase("open", null);
    } else if (message.type === "ping") {
      this.send({ type: "pong" });
      return;
    } else if (message.type === "goaway") {
      clearTimeout(this.retry);
      // Spread over the server's grace, so that its clients do not move all at once.
      this.retry = setTimeout(() => this.renew(), this.random() * message.in_ms);
    }
    this.owner.onMessage(message);
  }

  private closed(code: number): void {
    const greeted = this.greeted;
    this.drop();
    if (!this.running) return;
    const verdict = verdictOf(code);
    if (verdict === "stop") {
      this.halted = true;
      this.owner.onPhase("stopped", code);
      return;
    }
    if (verdict === "refresh") {
      this.owner.refresh().then(
        () => this.again(greeted),
        () => this.running && this.later(),
      );
      return;
    }
    if (verdict === "now") this.again(greeted);
    else this.later();
  }

  /** At once after a working connection; a server that turns us away each time is met with back-off. */
  private again(greeted: boolean): void {
    if (!this.running) return;
    if (!greeted) {
      this.later();
      return;
    }
    this.owner.onPhase("reconnecting", null);
    void this.connect();
  }

  private later(): void {
    this.owner.onPhase(this.waiting(), null);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.connect(), backoffMs(this.failures++, this.random));
  }

  private waiting(): ConnectionPhase {
    return navigator.onLine ? "reconnecting" : "offline";
  }

  private expect(withinMs: number): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.closed(1006), withinMs);
  }

  private drop(): void {
    clearTimeout(this.watchdog);
    this.generation++;
    this.greeted = false;
    this.socket?.close();
    this.socket = null;
  }
}
