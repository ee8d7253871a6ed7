/** Pictures as the page shows them: fetched with the user's token, since an <img> can carry none, and kept in memory. */
import { ApiError } from "../net/http";
import type { Http } from "../net/http";

/** Object URLs that are kept; more are fetched again when they come back into sight. */
const KEPT = 64;

export class Pictures {
  private readonly held = new Map<string, Promise<string | null>>();

  constructor(private readonly http: Http) {}

  /** An object URL, or null for a file that is no longer there. Rejects when the network is away. */
  url(fileId: string): Promise<string | null> {
    const known = this.held.get(fileId);
    if (known !== undefined) return known;
    const coming = this.fetch(fileId);
    this.hold(fileId, coming);
    coming.catch(() => this.held.delete(fileId));
    return coming;
  }

  /** What was just uploaded need not be fetched. */
  put(fileId: string, content: Blob): void {
    this.hold(fileId, Promise.resolve(URL.createObjectURL(content)));
  }

  /** Another person may use this browser next. */
  reset(): void {
    for (const [fileId, url] of this.held) this.drop(fileId, url);
  }

  private hold(fileId: string, url: Promise<string | null>): void {
    this.held.set(fileId, url);
    for (const [oldest, its] of this.held) {
      if (this.held.size <= KEPT) return;
      this.drop(oldest, its);
    }
  }

  private drop(fileId: string, url: Promise<string | null>): void {
    this.held.delete(fileId);
    void url.then((made) => made !== null && URL.revokeObjectURL(made)).catch(() => undefined);
  }

  private async fetch(fileId: string): Promise<string | null> {
    try {
      return URL.createObjectURL(await this.http.blob(`/v1/files/${encodeURIComponent(fileId)}/content`));
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }
}
