/** Calls to the server: bearer token, one refresh for all callers, errors as the server words them. */
import type { ErrorBody } from "../state/types";
import type { Session } from "./session";

export class ApiError extends Error {
  readonly status: number;
  readonly body: ErrorBody;
  /** Seconds, when the server says when to come back. */
  readonly retryAfter: number | null;

  constructor(status: number, body: ErrorBody, retryAfter: number | null = null) {
    super(body.message);
    this.status = status;
    this.body = body;
    this.retryAfter = retryAfter;
  }

  get code(): string | null {
    return this.body.code ?? null;
  }
}

/** No answer came: offline, server down, or the connection broke. */
export class NetworkError extends Error {}

export interface Call {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  body?: unknown;
  /** In place of `body`: a file to upload. */
  form?: FormData;
  idempotencyKey?: string;
  token?: string | null;
}

/** One exchange, without any retry. */
export async function exchange<T>(path: string, call: Call = {}): Promise<T> {
  const text = await exchanged(path, call, (response) => response.text());
  if (text === "") return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    // Something between us and the server has answered in its place.
    throw new NetworkError("The server gave an unreadable answer.");
  }
}

async function exchanged<B>(path: string, call: Call, read: (response: Response) => Promise<B>): Promise<B> {
  const headers: Record<string, string> = { Accept: "*/*" };
  if (call.body !== undefined) headers["Content-Type"] = "application/json";
  if (call.token) headers["Authorization"] = `Bearer ${call.token}`;
  if (call.idempotencyKey) headers["Idempotency-Key"] = call.idempotencyKey;
  let response: Response;
  try {
    response = await fetch(path, {
      method: call.method ?? "GET",
      headers,
      credentials: "same-origin",
      cache: "no-store",
      ...(call.form !== undefined ? { body: call.form } : call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    if (response.ok) return await read(response);
    const text = await response.text();
    throw new ApiError(response.status, errorIn(text, response.status), secondsToWait(response));
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new NetworkError("The server cannot be reached.");
  }
}

function errorIn(text: string, status: number): ErrorBody {
  try {
    const { error } = JSON.parse(text) as { error?: ErrorBody };
    if (error?.message) return error;
  } catch {
    // A proxy's HTML page, or nothing.
  }
  return { message: `The server answered with status ${status}.` };
}

function secondsToWait(response: Response): number | null {
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds : null;
}

export class Http {
  constructor(private readonly session: Session) {}

  call<T>(path: string, call: Call = {}): Promise<T> {
    return this.withToken((token) => exchange<T>(path, { ...call, token }));
  }

  /** A file of the user's. */
  blob(path: string): Promise<Blob> {
    return this.withToken((token) => exchanged(path, { token }, (response) => response.blob()));
  }

  private async withToken<T>(ask: (token: string | null) => Promise<T>): Promise<T> {
    const token = await this.session.token();
    try {
      return await ask(token);
    } catch (error) {
      // The token may have been revoked before its time: one fresh one, once. A wrong password is no such case.
      const stale = error instanceof ApiError && error.status === 401 && error.code !== "invalid_credentials";
      if (!stale || !this.session.usesTokens) throw error;
      const fresh = await this.session.refresh();
      return ask(fresh);
    }
  }
}
