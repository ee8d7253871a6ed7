import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError, Http, NetworkError } from "../src/net/http";
import { Session } from "../src/net/session";

type Handler = (path: string, init: RequestInit) => Response | Promise<Response>;
let handler: Handler;
let calls: string[];
let session: Session;

const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status });
const login = (token: string): Response =>
  json({ access_token: token, token_type: "Bearer", expires_in: 900, user: { id: "user_1", email: "a@b.c", role: "user" } });
const refused = (): Response => json({ error: { message: "No session.", code: "invalid_session" } }, 401);
const bearer = (init: RequestInit): string | undefined => (init.headers as Record<string, string>)["Authorization"];

beforeEach(() => {
  vi.useFakeTimers();
  calls = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    calls.push(path);
    return handler(path, init);
  });
  session = new Session();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("many callers share one refresh", async () => {
  handler = () => login("t1");
  const tokens = await Promise.all([session.token(), session.token(), session.refresh()]);
  expect(tokens).toEqual(["t1", "t1", "t1"]);
  expect(calls).toEqual(["/auth/refresh"]);
});

test("the token is renewed before its end, for a stream that outlives it", async () => {
  const onChange = vi.fn();
  session.onChange = onChange;
  handler = () => login(`t${calls.length}`);
  await session.refresh();
  await vi.advanceTimersByTimeAsync(839_000);
  expect(onChange).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ access_token: "t2" }));
  expect(await session.token()).toBe("t2");
});

test("a server that is away does not end the login", async () => {
  const onChange = vi.fn();
  session.onChange = onChange;
  handler = () => login("t1");
  await session.refresh();
  handler = () => Promise.reject(new TypeError("network"));
  await expect(session.refresh()).rejects.toBeInstanceOf(NetworkError);
  expect(onChange).toHaveBeenCalledTimes(1);
  handler = () => login("t2");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await session.token()).toBe("t2");
});

test("a refused refresh ends it", async () => {
  const onChange = vi.fn();
  session.onChange = onChange;
  handler = refused;
  await expect(session.refresh()).rejects.toBeInstanceOf(ApiError);
  expect(onChange).toHaveBeenLastCalledWith(null);
});

test("a call with a revoked token is made once more with a fresh one", async () => {
  handler = (path, init) => {
    if (path === "/auth/refresh") return login(calls.length > 2 ? "fresh" : "stale");
    return bearer(init) === "Bearer fresh" ? json({ ok: true }) : refused();
  };
  expect(await new Http(session).call("/v1/me")).toEqual({ ok: true });
  expect(calls).toEqual(["/auth/refresh", "/v1/me", "/auth/refresh", "/v1/me"]);
});

test("a wrong password is said once and costs no refresh", async () => {
  handler = (path) => (path === "/auth/refresh" ? login("t1") : json({ error: { message: "Wrong.", code: "invalid_credentials" } }, 401));
  await expect(new Http(session).call("/auth/password", { method: "POST", body: {} })).rejects.toMatchObject({ code: "invalid_credentials" });
  expect(calls).toEqual(["/auth/refresh", "/auth/password"]);
});

test("without sign-in no token is asked for or sent", async () => {
  handler = (path, init) => {
    expect(bearer(init)).toBeUndefined();
    return path === "/auth/config" ? json({ auth: false, registration: "closed", version: "1" }) : json({ id: "user_local" });
  };
  await session.config();
  expect(await new Http(session).call("/v1/me")).toEqual({ id: "user_local" });
  expect(calls).toEqual(["/auth/config", "/v1/me"]);
});

test("errors carry the server's words, its code and its Retry-After", async () => {
  session.usesTokens = false;
  const error = { message: "Slow down.", type: "rate_limit_error", code: "rate_limit_exceeded", param: null };
  handler = () => new Response(JSON.stringify({ error }), { status: 429, headers: { "Retry-After": "7" } });
  await expect(new Http(session).call("/v1/models")).rejects.toMatchObject({ message: "Slow down.", status: 429, code: "rate_limit_exceeded", retryAfter: 7 });
  handler = () => new Response("<html>Bad gateway</html>", { status: 502 });
  await expect(new Http(session).call("/v1/models")).rejects.toMatchObject({ status: 502, message: "The server answered with status 502." });
  handler = () => new Response("<html>Hotel Wi-Fi</html>");
  await expect(new Http(session).call("/v1/models")).rejects.toBeInstanceOf(NetworkError);
});
