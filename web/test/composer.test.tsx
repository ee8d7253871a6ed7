// @vitest-environment jsdom
import { act, createRef } from "react";
import { createRoot } from "react-dom/client";
import type { Root } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { App } from "../src/app/app";
import { BrowserStorage } from "../src/app/browser-storage";
import { Composer } from "../src/ui/Composer";
import type { ComposerHandle } from "../src/ui/Composer";
import { AppContext } from "../src/ui/context";

vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
vi.stubGlobal("matchMedia", () => ({ matches: true }));

const storage = new BrowserStorage();
const app = { storage, typing: vi.fn() } as unknown as App;
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
  expect(onSend).toHaveBeenCalledWith("hello");
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
  act(() => handle.current?.handBack("refused words"));
  expect(area().value).toBe("refused words");
  write("new words");
  act(() => handle.current?.handBack("refused words"));
  expect(area().value).toBe("refused words\n\nnew words");
  expect(storage.draft(null)).toBe("refused words\n\nnew words");
});
