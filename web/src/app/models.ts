/** Which models there are, and how far the picked one has come while it downloads or loads. */
import type { Http } from "../net/http";
import { pickedModel } from "../state/app";
import type { AppState } from "../state/app";
import type { Model } from "../state/types";
import type { Store } from "./store";

const POLL_MS = 1_000;

/** The list also holds the model that makes vectors of texts; nobody can talk to it. */
const chats = (model: Model): boolean => model.type !== "embedding";

export class Models {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pickerOpen = false;

  constructor(
    private readonly store: Store<AppState>,
    private readonly http: Http,
  ) {}

  async load(): Promise<void> {
    clearTimeout(this.timer);
    try {
      const { data } = await this.http.call<{ data: Model[] }>("/v1/models");
      const models = await this.withChosen(data.filter(chats));
      this.store.update((state) => ({ ...state, models }));
    } finally {
      this.pollWhileComing();
    }
  }

  setPickerOpen(open: boolean): void {
    this.pickerOpen = open;
    if (open) void this.load().catch(() => undefined);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** A server may know more models than it lists, and one of those may be the user's. */
  private async withChosen(listed: Model[]): Promise<Model[]> {
    const chosen = this.store.get().me?.default_model;
    if (!chosen || listed.some((model) => model.id === chosen)) return listed;
    const known = await this.http.call<Model>(`/v1/models/${encodeURIComponent(chosen)}`).catch(() => null);
    return known === null || !chats(known) ? listed : [...listed, known];
  }

  private pollWhileComing(): void {
    const state = this.store.get();
    if (state.phase !== "signed-in") return;
    const watched = this.pickerOpen ? state.models : [pickedModel(state)];
    const coming = watched.some((model) => model?.state.status === "loading" || model?.state.status === "downloading");
    if (coming) this.timer = setTimeout(() => void this.load().catch(() => undefined), POLL_MS);
  }
}
