// @vitest-environment jsdom
import { act, createRef } from "react";
import { createRoot } from "react-dom/client";
import type { Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { App } from "../src/app/app";
import { BrowserStorage } from "../src/app/browser-storage";
import { Store } from "../src/app/store";
import { initialState } from "../src/state/app";
import type { AppState } from "../src/state/app";
import type { Attachment } from "../src/state/images";
import { Composer } from "../src/ui/Composer";
import type { ComposerHandle } from "../src/ui/Composer";
import { AppContext } from "../src/ui/context";

vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
vi.stubGlobal("matchMedia", () => ({ matches: true }));

const storage = new BrowserStorage();
const store = new Store<AppState>(initialState);
const attachments = { open: vi.fn(), add: vi.fn(), remove: vi.fn(), retry: vi.fn(), take: vi.fn(() => []), handBack: vi.fn() };
const pictures = { url: vi.fn(() => new Promise(() => undefined)) };
const app = { storage, store, attachments, pictures, typing: vi.fn() } as unknown as App;
const onSend = vi.fn();
const onStop = vi.fn();
const handle = createRef<ComposerHandle>();
let root: Root;
let host: HTMLElement;

const find = <E extends HTMLElement>(testId: string): E => {
  const element = host.querySelector<E>(`[data-testid=${testId}]`);
  if (element === null) throw new Error(`no ${testId}`);
  return element;
};
const area = () => find<HTMLTextAreaElement>("composer");

function show(state: { busy?: boolean; ready?: boolean; conversationId?: string | null } = {}): void {
  const { busy = false, ready = true, conversationId = null } = state;
  act(() =>
    root.render(
      <AppContext value={app}>
        <Composer key={conversationId} ref={handle} conversationId={conversationId} busy={busy} ready={ready} onSend={onSend} onStop={onStop} />
      </AppContext>,
    ),
  );
}

function write(text: string): void {
  // React follows the native setter, not an assignment to the instance.
  const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")?.set;
  act(() => {
    set?.call(area(), text);
    area().dispatchEvent(new Event("input", { bubbles: true }));
  });
}

function press(key: string, more: KeyboardEventInit = {}): boolean {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  act(() => area().dispatchEvent(event));
  return event.defaultPrevented;
}

beforeEach(() => {
  localStorage.clear();
  storage.use("user_1");
  vi.clearAllMocks();
  store.update(() => initialState);
  host = document.body.appendChild(document.createElement("div"));
  root = createRoot(host);
});

afterEach(() => {
  act(() => root.unmount());
  host.remove();
});

test("Enter sends and empties the field", () => {
  show();
  write("hello");
  expect(press("Enter")).toBe(true);
  expect(onSend).toHaveBeenCalledWith("hello", []);
  expect(area().value).toBe("");
});

test("Shift+Enter is a new line, and an input method's Enter belongs to it", () => {
  show();
  write("こんにちは");
  expect(press("Enter", { shiftKey: true })).toBe(false);
  expect(press("Enter", { isComposing: true })).toBe(false);
  expect(press("Enter", { keyCode: 229 })).toBe(false);
  expect(onSend).not.toHaveBeenCalled();
});

test("nothing but blanks is not sent, nor anything before the conversation is there", () => {
  show();
  write("  \n");
  press("Enter");
  expect(find<HTMLButtonElement>("send").disabled).toBe(true);
  show({ ready: false });
  write("hello");
  press("Enter");
  expect(onSend).not.toHaveBeenCalled();
  expect(area().value).toBe("hello");
});

test("while an answer is written there is Stop, and writing goes on", () => {
  show({ busy: true });
  write("next question");
  press("Enter");
  expect(onSend).not.toHaveBeenCalled();
  expect(area().value).toBe("next question");
  act(() => find("stop").click());
  expect(onStop).toHaveBeenCalledTimes(1);
});

test("a draft stays with its conversation across a reload", () => {
  show({ conversationId: "conv_1" });
  write("half a thou");
  show({ conversationId: "conv_2" });
  expect(area().value).toBe("");
  act(() => root.unmount());
  root = createRoot(host);
  show({ conversationId: "conv_1" });
  expect(area().value).toBe("half a thou");
  press("Enter");
  expect(storage.draft("conv_1")).toBe("");
});

test("signing out erases the drafts", () => {
  show({ conversationId: "conv_1" });
  write("secret");
  storage.erase();
  expect(storage.draft("conv_1")).toBe("");
});

test("words handed back come before what was written since", () => {
  show();
  act(() => handle.current?.handBack("refused words", []));
  expect(area().value).toBe("refused words");
  write("new words");
  act(() => handle.current?.handBack("refused words", []));
  expect(area().value).toBe("refused words\n\nnew words");
  expect(storage.draft(null)).toBe("refused words\n\nnew words");
});

const seeing = { id: "m", name: "Seer", owned_by: "x", default: true, capabilities: { images: true }, state: { status: "ready" as const, progress: null, detail: null } };
const photo = new File(["x"], "a.png", { type: "image/png" });
const image = (more: Partial<Attachment> = {}): Attachment => ({ key: "k", name: "a.png", fileId: "file-1", error: null, waiting: false, ...more });
const attach = (...list: Attachment[]) => act(() => store.update((state) => ({ ...state, attachments: { new: list } })));
const words = () => find("attached-words").textContent;

function paste(files: File[], types: string[]): boolean {
  const event = Object.assign(new Event("paste", { bubbles: true, cancelable: true }), { clipboardData: { files, types } });
  act(() => area().dispatchEvent(event));
  return event.defaultPrevented;
}

describe("images", () => {
  beforeEach(() => store.update((state) => ({ ...state, models: [seeing] })));

  test("an image alone is a message", () => {
    attachments.take.mockReturnValueOnce([{ fileId: "file-1" }] as never);
    show();
    expect(find<HTMLButtonElement>("send").disabled).toBe(true);
    attach(image());
    expect(words()).toBe("1 image attached.");
    press("Enter");
    expect(onSend).toHaveBeenCalledWith("", [{ fileId: "file-1" }]);
  });

  test.each([
    [image({ fileId: null }), "Uploading…"],
    [image({ fileId: null, error: "no", waiting: true }), "Images will be uploaded when the connection is back."],
    [image({ fileId: null, error: "The file is too large." }), "a.png: The file is too large."],
  ])("nothing is sent without an image that was chosen for it", (one, said) => {
    show();
    write("look");
    attach(image({ key: "other" }), one);
    expect(words()).toBe(said);
    press("Enter");
    expect(onSend).not.toHaveBeenCalled();
    expect(area().value).toBe("look");
  });

  test("a model that takes none has no button, and says why it holds the message back", () => {
    store.update((state) => ({ ...state, models: [{ ...seeing, capabilities: { images: false } }] }));
    show();
    expect(host.querySelector("[data-testid=attach]")).toBeNull();
    attach(image());
    expect(words()).toBe("Seer takes no images. Remove them, or choose another model.");
    expect(find<HTMLButtonElement>("send").disabled).toBe(true);
  });

  test("each has a name, a way out, and after a failure another try", () => {
    show({ conversationId: null });
    attach(image({ fileId: null, error: "no" }));
    expect(find("attachment-remove").getAttribute("aria-label")).toBe("Remove a.png");
    act(() => find("attachment-retry").click());
    expect(attachments.retry).toHaveBeenCalledWith(null, "k");
    act(() => find("attachment-remove").click());
    expect(attachments.remove).toHaveBeenCalledWith(null, "k");
    expect(document.activeElement).toBe(area());
  });

  test("a pasted image is attached, text with a picture of it is text", () => {
    show({ conversationId: "conv_1" });
    expect(paste([photo], ["Files", "text/html"])).toBe(true);
    expect(attachments.add).toHaveBeenCalledWith("conv_1", [photo]);
    expect(paste([photo], ["text/plain", "Files"])).toBe(false);
    expect(paste([], ["text/plain"])).toBe(false);
    expect(attachments.add).toHaveBeenCalledTimes(1);
  });

  test("the picker's files are attached, and the same ones again", () => {
    show();
    const input = find<HTMLInputElement>("attach-input");
    Object.defineProperty(input, "files", { value: [photo], configurable: true });
    act(() => input.dispatchEvent(new Event("change", { bubbles: true })));
    expect(attachments.add).toHaveBeenCalledWith(null, [photo]);
    expect(input.accept).toContain("image/webp");
  });
});
