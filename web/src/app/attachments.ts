/**
 * Images in the composer. Each goes to the server as soon as it is chosen, and the message then only names it: so the
 * message stays small enough for the feed, and waits in this browser's storage like any other until it is taken.
 */
import { ApiError, NetworkError } from "../net/http";
import type { Http } from "../net/http";
import { pickedModel } from "../state/app";
import type { AppState } from "../state/app";
import { MAX_IMAGES, takesImages } from "../state/images";
import type { Attachment, ShownImage } from "../state/images";
import type { BrowserStorage } from "./browser-storage";
import type { Notices } from "./notices";
import type { Pictures } from "./pictures";
import { randomId } from "./random";
import { shrunk } from "./shrink";
import type { Store } from "./store";

const RETRY_MS = 5_000;
export const ACCEPTED = ["image/png", "image/jpeg", "image/gif", "image/webp"];

const keyOf = (conversationId: string | null): string => conversationId ?? "new";

export class Attachments {
  /** What is on its way or was turned back, by the attachment's key; gone at reload. */
  private readonly files = new Map<string, File>();

  constructor(
    private readonly store: Store<AppState>,
    private readonly http: Http,
    private readonly storage: BrowserStorage,
    private readonly pictures: Pictures,
    private readonly notices: Notices,
  ) {}

  /** What a composer begins with: what was uploaded for its message before a reload. */
  open(conversationId: string | null): void {
    const conversation = keyOf(conversationId);
    if (this.store.get().attachments[conversation] !== undefined) return;
    const kept = this.storage.draftImages(conversation);
    this.put(conversation, kept.map(({ fileId, name }) => ({ key: fileId, name, fileId, error: null, waiting: false })));
  }

  add(conversationId: string | null, chosen: readonly File[]): void {
    const conversation = keyOf(conversationId);
    const model = pickedModel(this.store.get());
    if (!takesImages(model)) {
      this.notices.show(`${model?.name ?? "The model"} takes no images. Choose a model that does.`);
      return;
    }
    const images = chosen.filter((file) => ACCEPTED.includes(file.type));
    const other = chosen.find((file) => !images.includes(file));
    if (other !== undefined) this.notices.show(`${other.name} cannot be attached: only PNG, JPEG, GIF and WebP images can.`);
    const room = MAX_IMAGES - this.of(conversation).length;
    if (images.length > room) this.notices.show(`A message holds ${MAX_IMAGES} images at most.`);
    for (const file of images.slice(0, room)) {
      const one: Attachment = { key: randomId(), name: file.name || "Image", fileId: null, error: null, waiting: false };
      this.files.set(one.key, file);
      this.put(conversation, [...this.of(conversation), one]);
      void this.upload(conversation, one);
    }
  }

  remove(conversationId: string | null, key: string): void {
    const conversation = keyOf(conversationId);
    const gone = this.of(conversation).find((one) => one.key === key);
    this.files.delete(key);
    this.put(conversation, this.of(conversation).filter((one) => one.key !== key));
    if (gone?.fileId) this.erase(gone.fileId);
  }

  /** Tried once more by the user. */
  retry(conversationId: string | null, key: string): void {
    const conversation = keyOf(conversationId);
    const one = this.of(conversation).find((each) => each.key === key);
    if (one !== undefined) void this.upload(conversation, one);
  }

  /** The connection is back. */
  resume(): void {
    for (const [conversation, list] of Object.entries(this.store.get().attachments)) {
      for (const one of list) if (one.waiting) void this.upload(conversation, one);
    }
  }

  /** What goes with the message that is sent now; the composer is empty then. */
  take(conversationId: string | null): ShownImage[] {
    const conversation = keyOf(conversationId);
    const ids = this.of(conversation).flatMap((one) => one.fileId ?? []);
    this.put(conversation, []);
    return ids.map((fileId) => ({ fileId }));
  }

  /** Images of a message that was refused, back in the composer. */
  handBack(conversationId: string | null, images: readonly ShownImage[]): void {
    const conversation = keyOf(conversationId);
    const back = images.flatMap((image) => ("fileId" in image ? image.fileId : []));
    const fresh = back.map((fileId): Attachment => ({ key: fileId, name: "Image", fileId, error: null, waiting: false }));
    this.put(conversation, [...fresh, ...this.of(conversation)]);
  }

  private async upload(conversation: string, one: Attachment): Promise<void> {
    const file = this.files.get(one.key);
    if (file === undefined) return;
    this.change(conversation, one.key, { error: null, waiting: false });
    try {
      const content = await shrunk(file);
      const form = new FormData();
      form.set("purpose", "vision");
      form.set("file", content, file.name || "image");
      const { id } = await this.http.call<{ id: string }>("/v1/files", { method: "POST", form, idempotencyKey: one.key });
      this.pictures.put(id, content);
      this.files.delete(one.key);
      if (!this.change(conversation, one.key, { fileId: id })) this.erase(id); // removed meanwhile
    } catch (error) {
      const waiting = error instanceof NetworkError;
      this.change(conversation, one.key, { waiting, error: error instanceof ApiError ? error.message : "The image could not be uploaded." });
      // The network may fail while the feed's connection stays.
      if (waiting) setTimeout(() => this.resume(), RETRY_MS);
    }
  }

  /** Best effort: an image that nobody sees any more. */
  private erase(fileId: string): void {
    void this.http.call(`/v1/files/${encodeURIComponent(fileId)}`, { method: "DELETE" }).catch(() => undefined);
  }

  private of(conversation: string): Attachment[] {
    return this.store.get().attachments[conversation] ?? [];
  }

  private change(conversation: string, key: string, change: Partial<Attachment>): boolean {
    const before = this.of(conversation);
    this.put(conversation, before.map((one) => (one.key === key ? { ...one, ...change } : one)));
    return before.some((one) => one.key === key);
  }

  private put(conversation: string, list: Attachment[]): void {
    this.store.update((state) => ({ ...state, attachments: { ...state.attachments, [conversation]: list } }));
    this.storage.saveDraftImages(
      conversation,
      list.flatMap(({ fileId, name }) => (fileId === null ? [] : { fileId, name })),
    );
  }
}
