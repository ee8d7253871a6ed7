import { useMemo, useRef } from "react";
import { runningResponse, viewOf } from "../state/view";
import { Announcer } from "./Announcer";
import { Composer } from "./Composer";
import type { ComposerHandle } from "./Composer";
import { useApp, useAppState } from "./context";
import { ArrowDown, Menu, NewChat } from "./icons";
import { MessageLog } from "./MessageLog";
import { ModelPicker } from "./ModelPicker";
import { useFileDrop } from "./useFileDrop";
import { useStickToBottom } from "./useStickToBottom";

interface ConversationProps {
  id: string | null;
  onMenu: () => void;
}

export function Conversation({ id, onMenu }: ConversationProps) {
  const app = useApp();
  const tree = useAppState((state) => (id === null ? undefined : state.trees[id]));
  const head = useAppState((state) => (id === null ? null : (state.conversations[id]?.head ?? null)));
  const title = useAppState((state) => (id === null ? null : (state.conversations[id]?.title ?? null)));
  const sends = useAppState((state) => state.sends);
  const status = useAppState((state) => (id === null ? "ready" : (state.treeStatus[id] ?? "loading")));
  const running = useAppState((state) => runningResponse(state, id));
  const typing = useAppState((state) => id !== null && state.typing.includes(id));
  const view = useMemo(() => viewOf(tree, head, sends, id), [tree, head, sends, id]);
  const { scroller, content, away, jump } = useStickToBottom();
  const composer = useRef<ComposerHandle>(null);
  const dropping = useFileDrop((files) => app.attachments.add(id, files));

  const empty = view.turns.length === 0 && view.pending === null && view.refused.length === 0;
  const busy = running !== null || view.pending !== null;

  return (
    <section className="conversation" data-empty={(empty && status === "ready") || undefined}>
      <header className="topbar">
        <button type="button" className="icon-button drawer-only" aria-label="Open the sidebar" data-testid="open-sidebar" onClick={onMenu}>
          <Menu />
        </button>
        <ModelPicker />
        <button type="button" className="icon-button drawer-only" aria-label="New chat" onClick={() => app.go(null)}>
          <NewChat />
        </button>
      </header>

      <div className="scroller" ref={scroller} data-testid="scroller">
        <div className="column" ref={content}>
          {status === "missing" && <Missing />}
          {status === "failed" && <Unloaded id={id} />}
          {status === "loading" && <p className="faint center loading">Loading…</p>}
          {status === "ready" && empty && <h1 className="greeting">What shall we talk about?</h1>}
          {!empty && <h1 className="visually-hidden">{title ?? "New chat"}</h1>}
          <MessageLog view={view} conversationId={id} busy={busy} onHandBack={(text, images) => composer.current?.handBack(text, images)} />
        </div>
      </div>
      <Announcer head={head} />
      {dropping && (
        <div className="drop-here" aria-hidden="true">
          Drop images here
        </div>
      )}

      <div className="dock">
        {away && (
          <button type="button" className="jump" aria-label="Jump to the latest message" data-testid="jump-to-latest" onClick={() => jump("smooth")}>
            <ArrowDown />
          </button>
        )}
        {typing && (
          <p className="faint other-device" data-testid="typing-elsewhere">
            Typing on another device…
          </p>
        )}
        {status !== "missing" && (
          <Composer
            conversationId={id}
            busy={busy}
            ready={status === "ready"}
            ref={composer}
            onSend={(text, images) => {
              app.chat.say(text, images);
              jump("instant");
            }}
            onStop={() => app.chat.stop()}
          />
        )}
      </div>
    </section>
  );
}

function Missing() {
  const app = useApp();
  return (
    <div className="center notice" data-testid="conversation-missing">
      <p>This conversation does not exist, or it was deleted.</p>
      <button type="button" className="button" onClick={() => app.go(null)}>
        New chat
      </button>
    </div>
  );
}

function Unloaded({ id }: { id: string | null }) {
  const app = useApp();
  return (
    <div className="center notice">
      <p>This conversation could not be loaded.</p>
      <button type="button" className="button" onClick={() => id !== null && void app.conversations.loadTree(id)}>
        Try again
      </button>
    </div>
  );
}
