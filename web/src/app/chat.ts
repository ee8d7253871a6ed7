/** What the user does in a conversation: say, edit, regenerate, continue, stop. */
import type { Http } from "../net/http";
import { pickedModel } from "../state/app";
import type { AppState } from "../state/app";
import { imagesIn } from "../state/images";
import type { ShownImage } from "../state/images";
import { continueSend, messageSend, regenerateSend } from "../state/send";
import type { Send } from "../state/send";
import { inputText } from "../state/tree";
import type { TurnNode } from "../state/tree";
import { runningResponse } from "../state/view";
import type { Notices } from "./notices";
import type { Outbox } from "./outbox";
import { randomId } from "./random";
import type { Store } from "./store";

export class Chat {
  constructor(
    private readonly store: Store<AppState>,
    private readonly http: Http,
    private readonly outbox: Outbox,
    private readonly notices: Notices,
  ) {}

  say(text: string, images: ShownImage[] = []): void {
    const { conversationId, head } = this.here();
    this.outbox.submit(messageSend(identity(conversationId), head, { text, images }, this.choice()));
  }

  /** Other words; the images stay. */
  edit(node: TurnNode, text: string): void {
    const said = { text, images: imagesIn(node.input) };
    this.outbox.submit(messageSend(identity(this.here().conversationId), node.parent, said, this.choice(), "edit"));
  }

  regenerate(node: TurnNode): void {
    const said = { text: inputText(node) ?? "", images: imagesIn(node.input) };
    this.outbox.submit(regenerateSend(identity(this.here().conversationId), node, said, this.choice()));
  }

  continue(node: TurnNode): void {
    this.outbox.submit(continueSend(identity(this.here().conversationId), node, this.choice()));
  }

  /** A refused message goes again: as it was if the server failed, else below the present head, or as the same edit. */
  retry(send: Send): void {
    if (send.failed?.type === "server_error") {
      this.outbox.repeat(send.id);
      return;
    }
    const head = send.conversationId === null ? null : (this.store.get().conversations[send.conversationId]?.head ?? null);
    const parent = send.kind === "edit" ? send.parent : head;
    const kind = send.kind === "edit" ? "edit" : "message";
    const said = { text: send.text, images: send.images };
    this.outbox.replace(send.id, messageSend(identity(send.conversationId), parent, said, this.choice(), kind));
  }

  discard(send: Send): void {
    this.outbox.discard(send.id);
  }

  /** Ends what is being answered in the open conversation, also before the server has taken it. */
  stop(): void {
    const { conversationId } = this.here();
    const state = this.store.get();
    const pending = state.sends.find((send) => send.conversationId === conversationId && send.failed === null);
    const running = runningResponse(state, conversationId);
    if (pending !== undefined) this.outbox.stop(pending.id);
    else if (running !== null) void this.cancel(running);
  }

  async cancel(responseId: string): Promise<void> {
    try {
      await this.http.call(`/v1/responses/${encodeURIComponent(responseId)}/cancel`, { method: "POST" });
    } catch (error) {
      this.notices.failure("The answer could not be stopped", error);
    }
  }

  private here(): { conversationId: string | null; head: string | null } {
    const { route, conversations } = this.store.get();
    const conversationId = route.conversationId;
    return { conversationId, head: conversationId === null ? null : (conversations[conversationId]?.head ?? null) };
  }

  private choice(): { model: string | null; instructions: string | null } {
    const state = this.store.get();
    return { model: pickedModel(state)?.id ?? null, instructions: state.me?.instructions ?? null };
  }
}

const identity = (conversationId: string | null): Pick<Send, "id" | "createdAt" | "conversationId"> => ({
  id: randomId(),
  createdAt: Date.now(),
  conversationId,
});
