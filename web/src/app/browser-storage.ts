/**
 * What this browser keeps for a user across reloads: drafts, and messages not yet acknowledged.
 * Everything lies under the user's id, and signing out erases it: the next person at this browser is not the same.
 */
import type { Send } from "../state/send";

const DRAFT = "draft";
const IMAGES = "images";
const SEND = "send";

export interface DraftImage {
  fileId: string;
  name: string;
}

export class BrowserStorage {
  private user = "";

  use(userId: string): void {
    this.user = userId;
  }

  draft(conversationId: string | null): string {
    return this.read(this.key(DRAFT, conversationId ?? "new")) ?? "";
  }

  saveDraft(conversationId: string | null, text: string): void {
    this.write(this.key(DRAFT, conversationId ?? "new"), text === "" ? null : text);
  }

  /** Images that were uploaded for a message not yet sent. */
  draftImages(conversation: string): DraftImage[] {
    return parse<DraftImage[]>(this.read(this.key(IMAGES, conversation))) ?? [];
  }

  saveDraftImages(conversation: string, images: DraftImage[]): void {
    this.write(this.key(IMAGES, conversation), images.length === 0 ? null : JSON.stringify(images));
  }

  saveSend(send: Send): void {
    this.write(this.key(SEND, send.id), JSON.stringify(send));
  }

  dropSend(id: string): void {
    this.write(this.key(SEND, id), null);
  }

  /** The id of the send that a storage key stands for, if it is one of this user's. */
  sendIn(key: string | null): string | null {
    const prefix = this.key(SEND, "");
    return key?.startsWith(prefix) ? key.slice(prefix.length) : null;
  }

  sends(): Send[] {
    const prefix = this.key(SEND, "");
    return this.keys(prefix)
      .map((key) => parse<Send>(this.read(key)))
      .filter((send) => send !== null)
      // A page of an earlier version knew no images.
      .map((send) => ({ ...send, images: send.images ?? [] }))
      .toSorted((a, b) => a.createdAt - b.createdAt);
  }

  erase(): void {
    for (const key of this.keys(`tertulia.${this.user}.`)) this.write(key, null);
  }

  private key(kind: string, id: string): string {
    return `tertulia.${this.user}.${kind}.${id}`;
  }

  // Storage may be blocked or full: the page works without, it only forgets at reload.

  private keys(prefix: string): string[] {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(prefix));
    } catch {
      return [];
    }
  }

  private read(key: string): string | null {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  }

  private write(key: string, value: string | null): void {
    try {
      if (value === null) localStorage.removeItem(key);
      else localStorage.setItem(key, value);
    } catch {
      // See above.
    }
  }
}

function parse<T>(json: string | null): T | null {
  try {
    return json === null ? null : (JSON.parse(json) as T);
  } catch {
    return null;
  }
}
