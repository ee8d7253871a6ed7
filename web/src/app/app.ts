/** The application without its face: one store, one session, one socket, and what ties them together. */
import { FeedSocket } from "../net/feed-socket";
import type { FeedPosition, ServerMessage } from "../net/feed-socket";
import { ApiError, Http, NetworkError } from "../net/http";
import { backoffMs } from "../net/reconnect";
import { Session } from "../net/session";
import type { Credentials } from "../net/session";
import { initialState, signedOut, unfinished } from "../state/app";
import type { AppState } from "../state/app";
import { applyFeed } from "../state/feed";
import type { FeedEvent } from "../state/feed";
import type { ErrorBody } from "../state/types";
import { Account } from "./account";
import { Attachments } from "./attachments";
import { BrowserStorage } from "./browser-storage";
import { Chat } from "./chat";
import { Conversations } from "./conversations";
import { Live } from "./live";
import { Models } from "./models";
import { Notices } from "./notices";
import { Outbox } from "./outbox";
import { Pictures } from "./pictures";
import { conversationIn, pathOf } from "./router";
import { Store } from "./store";

/** The feed's hello comes first, so that what is read after it misses no event; without one, reading does not wait. */
const HELLO_PATIENCE_MS = 700;
const TYPING_SHOWN_MS = 5_000;
/** Other tabs of this browser learn of a sign-out by a change of this key. */
const SIGN_OUT_KEY = "tertulia.signed-out";

export class App {
  readonly store = new Store<AppState>({ ...initialState, route: { conversationId: conversationIn(location.pathname) } });
  readonly storage = new BrowserStorage();
  readonly notices = new Notices(this.store);
  readonly session = new Session();
  private readonly http = new Http(this.session);
  readonly account = new Account(this.store, this.http);
  readonly models = new Models(this.store, this.http);
  readonly conversations = new Conversations(this.store, this.http, this.notices);
  readonly pictures = new Pictures(this.http);
  readonly attachments = new Attachments(this.store, this.http, this.storage, this.pictures, this.notices);
  private readonly socket: FeedSocket;
  private readonly live: Live;
  readonly chat: Chat;
  private readonly outbox: Outbox;
  /** How far the user's feed has been read. */
  private feed: FeedPosition | null = null;
  private entered = false;
  private firstRead: ReturnType<typeof setTimeout> | undefined;
  private startTries = 0;
  private typingSentAt = 0;

  constructor() {
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/feed`;
    this.socket = new FeedSocket(url, {
      token: () => this.session.token(),
      refresh: () => this.session.refresh(),
      position: () => this.feed,
      onMessage: (message) => this.receive(message),
      onPhase: (phase, code) => this.store.update((state) => ({ ...state, connection: { phase, code } })),
    });
    const send = (message: object): boolean => this.socket.send(message);
    this.live = new Live(this.store, send);
    this.outbox = new Outbox(this.store, this.http, send, this.storage, {
      conversationCreated: (created, conversation) => {
        const { phase, route } = this.store.get();
        // Only if the user still looks at the new chat from which the message was sent.
        if (phase === "signed-in" && route.conversationId === null && created.kind === "message") this.show(conversation.id, "replace");
      },
      acknowledged: (sent, responseId, beside) => {
        if (sent.stopped) void this.chat.cancel(responseId);
        if (beside) this.live.follow(responseId);
        else this.live.followedByServer(responseId);
      },
      refused: (error) => this.notices.show(error.message),
    });
    this.chat = new Chat(this.store, this.http, this.outbox, this.notices);
    this.session.onChange = (credentials) => this.sessionChanged(credentials);
    this.conversations.onTree = (id) => {
      for (const responseId of unfinished(this.store.get(), id)) this.live.follow(responseId);
    };
    this.conversations.onGone = (id) => {
      if (this.store.get().route.conversationId === id) this.go(null, "replace");
    };
  }

  /** Begins, and begins again after a server that was away. */
  async start(): Promise<void> {
    this.listen();
    await this.boot();
  }

  go(conversationId: string | null, how: "push" | "replace" = "push"): void {
    this.show(conversationId, how);
    this.routed(conversationId);
  }

  /** Without reading it: a conversation that we have just made holds nothing that we do not know. */
  private show(conversationId: string | null, how: "push" | "replace"): void {
    const path = pathOf(conversationId);
    if (location.pathname !== path) {
      if (how === "push") history.pushState(null, "", path);
      else history.replaceState(null, "", path);
    }
    this.store.update((state) => ({ ...state, route: { conversationId } }));
  }

  async signOut(): Promise<void> {
    this.storage.erase();
    try {
      await this.session.signOut();
      localStorage.setItem(SIGN_OUT_KEY, String(Date.now()));
    } catch (error) {
      if (!(error instanceof ApiError)) {
        this.notices.failure("The server could not be told that you signed out", error);
      }
    }
    this.leave();
  }

  /** Raises what the server has against it, and then nothing has happened. */
  async deleteAccount(password: string): Promise<void> {
    await this.account.remove(password);
    await this.signOut();
    this.notices.show("Your account is deleted.");
  }

  reconnect(): void {
    this.socket.restart();
  }

  /** Tells the user's other devices, now and then while typing goes on. */
  typing(): void {
    const { conversationId } = this.store.get().route;
    if (conversationId === null || Date.now() - this.typingSentAt < TYPING_SHOWN_MS / 2) return;
    this.typingSentAt = Date.now();
    this.socket.send({ type: "typing", conversation_id: conversationId });
  }

  private async boot(): Promise<void> {
    try {
      const config = await this.session.config();
      this.store.update((state) => ({ ...state, auth: config.auth, registration: config.registration }));
      if (config.auth) await this.session.refresh();
      else await this.enter();
    } catch (error) {
      this.entryFailed(error);
    }
  }

  private sessionChanged(credentials: Credentials | null): void {
    if (credentials === null) {
      this.leave();
      return;
    }
    const { me } = this.store.get();
    if (me !== null && me.id !== credentials.user.id) this.leave();
    if (this.entered) this.socket.reauthenticate(credentials.access_token);
    else void this.enter().catch((error: unknown) => this.entryFailed(error));
  }

  /** Signed in: everything is read once, and the feed tells the rest. */
  private async enter(): Promise<void> {
    this.entered = true;
    const me = await this.account.load();
    this.startTries = 0;
    this.storage.use(me.id);
    this.store.update((state) => ({ ...state, phase: "signed-in" }));
    this.outbox.restore();
    this.followRestored();
    this.socket.start();
    this.firstRead = setTimeout(() => this.resync(), HELLO_PATIENCE_MS);
    await this.models.load().catch((error: unknown) => this.notices.failure("The models could not be listed", error));
  }

  /** A 401 leads to the sign-in page (the session has said so already); whatever else failed is tried again. */
  private entryFailed(error: unknown): void {
    this.entered = false;
    if (error instanceof ApiError && error.status === 401) return;
    this.store.update((state) => ({ ...state, phase: "unreachable" }));
    setTimeout(() => void this.boot(), 500 + backoffMs(this.startTries++));
  }

  /** A reload between a first message and the page of its conversation must not leave the user on an empty one. */
  private followRestored(): void {
    const { route, sends } = this.store.get();
    const first = sends.find((send) => send.parent === null && send.failed === null);
    if (route.conversationId === null && first?.conversationId) this.show(first.conversationId, "replace");
  }

  private leave(): void {
    this.entered = false;
    this.feed = null;
    clearTimeout(this.firstRead);
    this.socket.stop();
    this.live.reset();
    this.models.stop();
    this.pictures.reset();
    // Several things may tell us so, and what is said on the sign-in page since is to stay.
    if (this.store.get().phase !== "signed-out") this.store.update(signedOut);
  }

  private routed(conversationId: string | null): void {
    if (conversationId !== null && this.entered) void this.conversations.loadTree(conversationId);
  }

  /** Reads again whatever the feed cannot retell. */
  private resync(): void {
    this.conversations.loadList().catch((error: unknown) => {
      if (!(error instanceof NetworkError)) this.notices.failure("The conversations could not be listed", error);
    });
    const { conversationId } = this.store.get().route;
    if (conversationId !== null) void this.conversations.loadTree(conversationId);
  }

  private receive(message: ServerMessage): void {
    switch (message.type) {
      case "hello": {
        clearTimeout(this.firstRead);
        const gapless = this.feed !== null && this.feed.epoch === message.feed.epoch;
        if (!gapless) {
          this.feed = message.feed;
          this.resync();
        }
        this.outbox.maxFrame = message.limits.max_frame;
        this.outbox.resume();
        this.attachments.resume();
        const state = this.store.get();
        this.live.reconnected(Object.keys(state.trees).flatMap((id) => unfinished(state, id)));
        void this.models.load().catch(() => undefined);
        return;
      }
      case "ack":
        this.outbox.acknowledge(message.request_id, message.response_id);
        return;
      case "event":
        this.live.receive(message.response_id, message.event);
        return;
      case "feed":
        if (this.feed !== null) this.feed = { ...this.feed, offset: message.offset };
        this.store.update((state) => applyFeed(state, message.event));
        this.afterFeed(message.event);
        return;
      case "resync":
        this.resync();
        return;
      case "typing":
        this.showTyping(message.conversation_id);
        return;
      case "error":
        if (message.request_id !== undefined) this.outbox.error(message.request_id, message.error);
        else if (message.response_id !== undefined) this.subscriptionFailed(message.response_id, message.error);
        return;
      default:
    }
  }

  /** What a feed event asks of us beyond remembering it. */
  private afterFeed(event: FeedEvent): void {
    const state = this.store.get();
    if (event.type === "conversation.deleted") {
      this.conversations.onGone(event.conversation_id);
    } else if (event.type === "response.started" && event.conversation_id === state.route.conversationId && event.conversation_id !== null) {
      this.conversations.reloadFor(event.conversation_id, event.response_id);
    } else if (event.type === "response.ended") {
      this.live.ended(event.response_id);
    }
  }

  private subscriptionFailed(responseId: string, error: ErrorBody): void {
    if (error.code === "position_lost") {
      this.live.positionLost(responseId);
      return;
    }
    // Most likely deleted on another device: the tree tells.
    const { conversationId } = this.store.get().route;
    if (conversationId !== null) void this.conversations.loadTree(conversationId);
  }

  private showTyping(conversationId: string): void {
    this.store.update((state) => ({ ...state, typing: [...state.typing, conversationId] }));
    setTimeout(() => {
      this.store.update((state) => {
        const at = state.typing.indexOf(conversationId);
        return at < 0 ? state : { ...state, typing: state.typing.toSpliced(at, 1) };
      });
    }, TYPING_SHOWN_MS);
  }

  private listen(): void {
    window.addEventListener("popstate", () => this.go(conversationIn(location.pathname)));
    window.addEventListener("online", () => this.socket.renew());
    window.addEventListener("offline", () => this.socket.renew());
    document.addEventListener("visibilitychange", () => {
      this.live.flush();
      if (!document.hidden) this.socket.wake();
    });
    window.addEventListener("storage", (event) => {
      if (event.key === SIGN_OUT_KEY && this.entered && this.store.get().auth) this.leave();
      // Another tab has sent, or taken back, what this one shows as waiting too.
      const gone = event.newValue === null ? this.storage.sendIn(event.key) : null;
      if (gone !== null) this.outbox.discard(gone);
    });
  }
}
