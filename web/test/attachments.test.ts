// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Attachments } from "../src/app/attachments";
import { BrowserStorage } from "../src/app/browser-storage";
import type { Notices } from "../src/app/notices";
import { Pictures } from "../src/app/pictures";
import { Store } from "../src/app/store";
import { ApiError, NetworkError } from "../src/net/http";
import type { Call, Http } from "../src/net/http";
import { initialState } from "../src/state/app";
import type { AppState } from "../src/state/app";
import { imagesIn } from "../src/state/images";
import { messageSend, nodeOf } from "../src/state/send";
import { emptyTree, turns, treeFrom, userMessage } from "../src/state/tree";
import { node, said } from "./make";

const seeing = { id: "m", name: "Seer", owned_by: "x", default: true, capabilities: { images: true }, state: { status: "ready" as const, progress: null, detail: null } };
const photo = (name = "a.png", type = "image/png") => new File(["bytes of it"], name, { type });

let call: ReturnType<typeof vi.fn<(path: string, call?: Call) => Promise<unknown>>>;
let blob: ReturnType<typeof vi.fn<(path: string) => Promise<Blob>>>;
let show: ReturnType<typeof vi.fn<(words: string) => void>>;
let store: Store<AppState>;
let pictures: Pictures;
let attachments: Attachments;

function open(): void {
  const storage = new BrowserStorage();
  storage.use("user_1");
  store = new Store<AppState>({ ...initialState, models: [seeing] });
  const http = { call, blob } as unknown as Http;
  pictures = new Pictures(http);
  attachments = new Attachments(store, http, storage, pictures, { show } as unknown as Notices);
}

beforeEach(() => {
  vi.useFakeTimers();
  localStorage.clear();
  let made = 0;
  URL.createObjectURL = vi.fn(() => `blob:${++made}`);
  URL.revokeObjectURL = vi.fn();
  let uploads = 0;
  call = vi.fn(async (_, request) => (request?.method === "POST" ? { id: `file-${++uploads}` } : {}));
  blob = vi.fn(async () => new Blob(["bytes"]));
  show = vi.fn();
  open();
});

afterEach(() => {
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);
const list = (conversation = "new") => store.get().attachments[conversation] ?? [];

test("an image is uploaded at once, and the message only names it", async () => {
  attachments.open(null);
  attachments.add(null, [photo()]);
  expect(list()).toMatchObject([{ name: "a.png", fileId: null, error: null }]);
  await settle();
  expect(list()).toMatchObject([{ fileId: "file-1" }]);
  const [path, request] = call.mock.calls[0] ?? [];
  expect([path, request?.method, request?.form?.get("purpose")]).toEqual(["/v1/files", "POST", "vision"]);
  expect(request?.form?.get("file")).toMatchObject({ name: "a.png" });
  expect(request?.idempotencyKey).toBe(list()[0]?.key);
  expect(attachments.take(null)).toEqual([{ fileId: "file-1" }]);
  expect(list()).toEqual([]);
  expect(await pictures.url("file-1")).toBe("blob:1");
  expect(blob).not.toHaveBeenCalled();
});

test("what was uploaded outlives a reload, each with its conversation", async () => {
  attachments.add("conv_1", [photo("one.png"), photo("two.png")]);
  await settle();
  open();
  attachments.open("conv_1");
  attachments.open("conv_2");
  expect(list("conv_1").map((one) => [one.name, one.fileId])).toEqual([
    ["one.png", "file-1"],
    ["two.png", "file-2"],
  ]);
  expect(list("conv_2")).toEqual([]);
  attachments.take("conv_1");
  open();
  attachments.open("conv_1");
  expect(list("conv_1")).toEqual([]);
});

test("without a network it waits, and goes with the same key when that is back", async () => {
  call.mockRejectedValueOnce(new NetworkError("away"));
  attachments.add(null, [photo()]);
  await settle();
  expect(list()).toMatchObject([{ fileId: null, waiting: true }]);
  attachments.resume();
  await settle();
  expect(list()).toMatchObject([{ fileId: "file-1", waiting: false, error: null }]);
  const keys = call.mock.calls.map(([, request]) => request?.idempotencyKey);
  expect(keys[0]).toBe(keys[1]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(call).toHaveBeenCalledTimes(2);
});

test("a network that comes back unheard of is found by trying", async () => {
  call.mockRejectedValueOnce(new NetworkError("away"));
  attachments.add(null, [photo()]);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(list()).toMatchObject([{ fileId: "file-1" }]);
});

test("what the server refuses stays with its reason, until tried again or taken away", async () => {
  call.mockRejectedValueOnce(new ApiError(400, { message: "The file is no image." }));
  attachments.add(null, [photo()]);
  await settle();
  expect(list()).toMatchObject([{ error: "The file is no image.", waiting: false }]);
  attachments.retry(null, list()[0]?.key ?? "");
  await settle();
  expect(list()).toMatchObject([{ fileId: "file-1", error: null }]);
});

test("a removed image is erased, also when its upload ends later", async () => {
  attachments.add(null, [photo()]);
  await settle();
  attachments.remove(null, list()[0]?.key ?? "");
  expect(call).toHaveBeenLastCalledWith("/v1/files/file-1", { method: "DELETE" });
  attachments.add(null, [photo()]);
  attachments.remove(null, list()[0]?.key ?? "");
  await settle();
  expect(call).toHaveBeenLastCalledWith("/v1/files/file-2", { method: "DELETE" });
  expect(list()).toEqual([]);
});

test("what cannot be attached is said, and the rest is attached", async () => {
  attachments.add(null, [photo("notes.pdf", "application/pdf"), photo()]);
  expect(show).toHaveBeenCalledWith("notes.pdf cannot be attached: only PNG, JPEG, GIF and WebP images can.");
  expect(list()).toHaveLength(1);
  attachments.add(null, Array.from({ length: 20 }, () => photo()));
  expect(show).toHaveBeenCalledWith("A message holds 16 images at most.");
  expect(list()).toHaveLength(16);
  await settle();
  store.update((state) => ({ ...state, models: [{ ...seeing, capabilities: {} }] }));
  attachments.add("conv_1", [photo()]);
  expect(show).toHaveBeenCalledWith("Seer takes no images. Choose a model that does.");
  expect(list("conv_1")).toEqual([]);
});

test("images of a refused message come back before the new ones", async () => {
  attachments.add("conv_1", [photo()]);
  await settle();
  attachments.handBack("conv_1", [{ fileId: "file-old" }, { url: "data:image/png;base64,AA" }]);
  expect(list("conv_1").map((one) => one.fileId)).toEqual(["file-old", "file-1"]);
});

test("a picture is fetched once, is missed when it is gone, and asked for again after a failure", async () => {
  expect(await pictures.url("file-9")).toBe("blob:1");
  expect(await pictures.url("file-9")).toBe("blob:1");
  expect(blob).toHaveBeenCalledTimes(1);
  expect(blob).toHaveBeenCalledWith("/v1/files/file-9/content");
  blob.mockRejectedValueOnce(new ApiError(404, { message: "There is no file." }));
  expect(await pictures.url("file-gone")).toBeNull();
  blob.mockRejectedValueOnce(new NetworkError("away"));
  await expect(pictures.url("file-away")).rejects.toThrow("away");
  expect(await pictures.url("file-away")).toBe("blob:2");
});

test("pictures of long ago and of who signed out are let go", async () => {
  for (let n = 0; n < 65; n++) await pictures.url(`file-${n}`);
  await settle();
  expect(URL.revokeObjectURL).toHaveBeenCalledTimes(1);
  expect(URL.revokeObjectURL).toHaveBeenCalledWith("blob:1");
  pictures.reset();
  await settle();
  expect(URL.revokeObjectURL).toHaveBeenCalledTimes(65);
});

test("a message holds words, images, or both; addresses of elsewhere are no images", () => {
  expect(userMessage("hi").content).toEqual([{ type: "input_text", text: "hi" }]);
  expect(userMessage(" ", [{ fileId: "file-1" }]).content).toEqual([{ type: "input_image", file_id: "file-1", detail: "auto" }]);
  const shown = userMessage("see", [{ fileId: "file-1" }, { url: "data:image/png;base64,AA" }]);
  expect(imagesIn([shown])).toEqual([{ fileId: "file-1" }, { url: "data:image/png;base64,AA" }]);
  const foreign = { type: "message", role: "user", content: [{ type: "input_image", image_url: "https://example.org/a.png" }] };
  expect(imagesIn([foreign])).toEqual([]);
});

test("a turn shows the images of its message, before and after the server knows it", () => {
  const send = messageSend({ id: "req_1", createdAt: 0, conversationId: "conv_1" }, null, said("see", [{ fileId: "file-1" }]), { model: "m", instructions: null });
  const sent = treeFrom([{ ...node("a", null, "x"), input: nodeOf(send, "a", emptyTree).input }]);
  expect(turns(sent, "a")[0]).toMatchObject({ text: "see", images: [{ fileId: "file-1" }] });
});
