/** The user's own settings, keys and password. */
import type { KeyResource } from "../api/schema";
import type { Http } from "../net/http";
import type { AppState } from "../state/app";
import type { Me } from "../state/types";
import type { Store } from "./store";

export type ApiKey = KeyResource;

export class Account {
  constructor(
    private readonly store: Store<AppState>,
    private readonly http: Http,
  ) {}

  async load(): Promise<Me> {
    const me = await this.http.call<Me>("/v1/me");
    this.store.update((state) => ({ ...state, me }));
    return me;
  }

  async save(change: Partial<Pick<Me, "instructions" | "default_model">>): Promise<void> {
    const me = await this.http.call<Me>("/v1/me", { method: "PATCH", body: change });
    this.store.update((state) => ({ ...state, me }));
  }

  changePassword(current: string, next: string): Promise<void> {
    return this.http.call("/auth/password", { method: "POST", body: { current_password: current, new_password: next } });
  }

  remove(password: string): Promise<void> {
    return this.http.call("/v1/me", { method: "DELETE", body: { password } });
  }

  async keys(): Promise<ApiKey[]> {
    return (await this.http.call<{ data: ApiKey[] }>("/v1/keys")).data;
  }

  /** The key itself is in this answer and never again. */
  createKey(name: string): Promise<ApiKey & { key: string }> {
    return this.http.call("/v1/keys", { method: "POST", body: { name } });
  }

  revokeKey(id: string): Promise<void> {
    return this.http.call(`/v1/keys/${encodeURIComponent(id)}`, { method: "DELETE" });
  }
}
