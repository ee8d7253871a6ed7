/** What the user does with conversations, and how they are fetched. */
import type { ConversationList } from "../api/schema";
import { ApiError } from "../net/http";
import type { Http } from "../net/http";
import { loadTree } from "../state/app";
import type { AppState, TreeStatus } from "../state/app";
import { dropConversation, putConversation, replaceList } from "../state/feed";
import { leafUnder } from "../state/tree";
import type { Conversation, TreeNode } from "../state/types";
import type { Notices } from "./notices";
import type { Store } from "./store";

const PAGE = 50;

type Page = Pick<ConversationList, "last_id" | "has_more"> & { data: Conversation[] };

const at = (id: string): string => `/v1/conversations/${encodeURIComponent(id)}`;

export class Conversations {
  /** Called with a conversation whose tree has just been read. */
  onTree: (id: string) => void = () => undefined;
  /** Called when a conversation is gone from under the page. */
  onGone: (id: string) => void = () => undefined;

  private loadingMore = false;
  private searchNumber = 0;
  private readonly reloads = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    private readonly store: Store<AppState>,
    private readonly http: Http,
    private readonly notices: Notices,
  ) {}

  /** The newest page replaces what is held: who was deleted while we were away must not linger. */
  async loadList(): Promise<void> {
    const before = this.store.get();
    const page = await this.http.call<Page>(`/v1/conversations?limit=${PAGE}`);
    this.store.update((state) => ({
      ...state,
      conversations: replaceList(before, state, page.data, state.route.conversationId),
      active: state.active === before.active ? {} : state.active,
      listed: { loaded: true, hasMore: page.has_more, cursor: page.last_id },
    }));
  }

  async loadMore(): Promise<void> {
    const { hasMore, cursor } = this.store.get().listed;
    if (!hasMore || cursor === null || this.loadingMore) return;
    this.loadingMore = true;
    try {
      const page = await this.http.call<Page>(`/v1/conversations?limit=${PAGE}&after=${encodeURIComponent(cursor)}`);
      this.store.update((state) => ({
        ...page.data.reduce((all, one) => putConversation(all, one), state),
        listed: { loaded: true, hasMore: page.has_more, cursor: page.last_id },
      }));
    } catch (error) {
      this.notices.failure("More conversations could not be loaded", error);
    } finally {
      this.loadingMore = false;
    }
  }

  /** By title. An empty query shows the list again. */
  async search(query: string): Promise<void> {
    const number = ++this.searchNumber;
    const wanted = query.trim();
    this.store.update((state) => ({ ...state, search: { query, ids: wanted === "" ? null : state.search.ids } }));
    if (wanted === "") return;
    try {
      const page = await this.http.call<Page>(`/v1/conversations?limit=${PAGE}&search=${encodeURIComponent(wanted)}`);
      if (number !== this.searchNumber) return;
      this.store.update((state) => ({
        ...page.data.reduce((all, one) => putConversation(all, one), state),
        search: { query, ids: page.data.map((one) => one.id) },
      }));
    } catch (error) {
      this.notices.failure("The search failed", error);
    }
  }

  async loadTree(id: string): Promise<void> {
    if (this.store.get().treeStatus[id] !== "ready") this.mark(id, "loading");
    const { conversations, trees } = this.store.get();
    try {
      const answer = await this.http.call<{ conversation: Conversation; responses: TreeNode[] }>(`${at(id)}/tree`);
      this.store.update((state) => {
        const loaded = loadTree(state, id, answer.responses, trees[id]);
        // What happened while the answer was on its way is newer than the answer.
        return state.conversations[id] === conversations[id] ? putConversation(loaded, answer.conversation) : loaded;
      });
      this.onTree(id);
    } catch (error) {
      const missing = error instanceof ApiError && (error.status === 404 || error.status === 400);
      // What is shown already stays; the next hello reads it again.
      if (missing || this.store.get().treeStatus[id] !== "ready") this.mark(id, missing ? "missing" : "failed");
    }
  }

  /** Soon, once, and only if the response is still unknown: our own acknowledgement may be just behind. */
  reloadFor(id: string, responseId: string): void {
    clearTimeout(this.reloads.get(id));
    const timer = setTimeout(() => {
      if (this.store.get().trees[id]?.nodes[responseId] === undefined) void this.loadTree(id);
    }, 150);
    this.reloads.set(id, timer);
  }

  async rename(id: string, title: string): Promise<void> {
    const before = this.store.get().conversations[id];
    if (before === undefined || title === before.title) return;
    this.store.update((state) => putConversation(state, { ...before, title }));
    try {
      const after = await this.http.call<Conversation>(at(id), { method: "POST", body: { title } });
      this.store.update((state) => putConversation(state, after));
    } catch (error) {
      this.store.update((state) => putConversation(state, before));
      this.notices.failure("The conversation could not be renamed", error);
    }
  }

  async remove(id: string): Promise<void> {
    const before = this.store.get().conversations[id];
    if (before === undefined) return;
    this.store.update((state) => dropConversation(state, id));
    this.onGone(id);
    try {
      await this.http.call(at(id), { method: "DELETE" });
      this.notices.show(`Deleted “${before.title ?? "New chat"}”`, () => void this.restore(before));
    } catch (error) {
      this.store.update((state) => putConversation(state, before));
      this.notices.failure("The conversation could not be deleted", error);
    }
  }

  /** Which branch is open is the conversation's, not the device's: it is kept by the server. */
  async switchTo(id: string, responseId: string): Promise<void> {
    const { conversations, trees } = this.store.get();
    const before = conversations[id];
    const tree = trees[id];
    if (before === undefined || tree === undefined) return;
    const head = leafUnder(tree, responseId);
    this.store.update((state) => putConversation(state, { ...before, head }));
    try {
      await this.http.call(`${at(id)}/head`, { method: "POST", body: { response_id: head } });
    } catch (error) {
      this.store.update((state) => putConversation(state, before));
      this.notices.failure("The branch could not be opened", error);
    }
  }

  private async restore(before: Conversation): Promise<void> {
    try {
      const after = await this.http.call<Conversation>(`${at(before.id)}/restore`, { method: "POST" });
      this.store.update((state) => putConversation(state, after ?? before));
    } catch (error) {
      this.notices.failure("The conversation could not be restored", error);
    }
  }

  private mark(id: string, status: TreeStatus): void {
    this.store.update((state) => ({ ...state, treeStatus: { ...state.treeStatus, [id]: status } }));
  }
}
