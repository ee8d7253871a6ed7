/**
 * The login of this tab: an access token in memory, renewed through an HttpOnly cookie that all tabs share.
 *
 * Tabs take turns at the cookie by a Web Lock where the browser has one; where not, the server honours the token
 * just replaced for a minute, so a race is harmless.
 */
import { ApiError, exchange } from "./http";
import type { AuthConfig, SessionResource } from "../api/schema";

export type Credentials = Pick<SessionResource, "access_token" | "expires_in" | "user">;


/** Renew so long before the token ends, but no more than a third of its life, that a stream never meets an expired one. */
const MARGIN_MS = 60_000;
/** A timer set further ahead than this fires at once in browsers. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Session {
  /** `serve --no-auth` asks for no credentials. */
  usesTokens = true;
  /** Called with each new token, and with null when the login is over. */
  onChange: (credentials: Credentials | null) => void = () => undefined;

  private credentials: Credentials | null = null;
  /** When the token is to be renewed, and when it ends. */
  private renewAt = 0;
  private expiresAt = 0;
  private refreshing: Promise<string> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  async config(): Promise<AuthConfig> {
    const config = await exchange<AuthConfig>("/auth/config");
    this.usesTokens = config.auth;
    return config;
  }

  async signIn(email: string, password: string): Promise<void> {
    this.adopt(await exchange<Credentials>("/auth/login", { method: "POST", body: { email, password } }));
  }

  async register(email: string, password: string): Promise<void> {
    this.adopt(await exchange<Credentials>("/auth/register", { method: "POST", body: { email, password } }));
  }

  async signOut(): Promise<void> {
    const token = this.credentials?.access_token ?? null;
    this.forget();
    await exchange("/auth/logout", { method: "POST", token });
  }

  /** A token with some life left. */
  async token(): Promise<string | null> {
    if (!this.usesTokens) return null;
    if (this.credentials !== null && Date.now() < (this.renewAt + this.expiresAt) / 2) return this.credentials.access_token;
    return this.refresh();
  }

  /** One request whoever asks, however many at once. A 401 ends the login; any other failure leaves it as it is. */
  refresh(): Promise<string> {
    this.refreshing ??= this.renew().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  private async renew(): Promise<string> {
    try {
      const credentials = await exclusively(() => exchange<Credentials>("/auth/refresh", { method: "POST" }));
      this.adopt(credentials);
      return credentials.access_token;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        this.forget();
        this.onChange(null);
      } else {
        this.schedule(5_000);
      }
      throw error;
    }
  }

  private adopt(credentials: Credentials): void {
    this.credentials = credentials;
    const life = credentials.expires_in * 1000;
    this.expiresAt = Date.now() + life;
    this.renewAt = this.expiresAt - Math.min(MARGIN_MS, life / 3);
    if (this.usesTokens) this.schedule(this.renewAt - Date.now());
    this.onChange(credentials);
  }

  private forget(): void {
    clearTimeout(this.timer);
    this.credentials = null;
    this.renewAt = 0;
    this.expiresAt = 0;
  }

  private schedule(inMs: number): void {
    clearTimeout(this.timer);
    if (this.credentials === null) return;
    const delay = Math.min(Math.max(inMs, 1_000), LONGEST_TIMER_MS);
    // A failed renewal has set the next one already.
    this.timer = setTimeout(() => void this.refresh().catch(() => undefined), delay);
  }
}

function exclusively<T>(work: () => Promise<T>): Promise<T> {
  if (typeof navigator === "undefined" || navigator.locks === undefined) return work();
  return navigator.locks.request("tertulia.refresh", work) as Promise<T>;
}
