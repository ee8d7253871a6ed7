import { useEffect, useMemo, useRef, useState } from "react";
import { pathOf } from "../app/router";
import { groupByDate } from "../state/groups";
import type { Group } from "../state/groups";
import type { Conversation } from "../state/types";
import { useApp, useAppState } from "./context";
import { Pencil, Trash } from "./icons";

export function ConversationList({ onOpen }: { onOpen: () => void }) {
  const held = useAppState((state) => state.conversations);
  const listed = useAppState((state) => state.listed);
  const found = useAppState((state) => state.search.ids);
  const now = useToday();

  const groups = useMemo<Group[]>(() => {
    if (found === null) return groupByDate(Object.values(held), now);
    const matches = found.map((id) => held[id]).filter((one) => one !== undefined);
    return [{ label: matches.length === 0 ? "No title matches" : "Results", conversations: matches }];
  }, [held, found, now]);

  return (
    <div className="conversation-list" data-testid="conversation-list">
      {groups.map(({ label, conversations }) => (
        <section key={label} aria-label={label}>
          <h2>{label}</h2>
          <ul>
            {conversations.map((conversation) => (
              <Row key={conversation.id} conversation={conversation} onOpen={onOpen} />
            ))}
          </ul>
        </section>
      ))}
      {listed.loaded && groups.length === 0 && <p className="faint center">Your conversations will appear here.</p>}
      {listed.hasMore && found === null && <More />}
    </div>
  );
}

function Row({ conversation, onOpen }: { conversation: Conversation; onOpen: () => void }) {
  const app = useApp();
  const { id } = conversation;
  const title = conversation.title ?? "New chat";
  const current = useAppState((state) => state.route.conversationId === id);
  const busy = useAppState((state) => (state.active[id]?.length ?? 0) > 0);
  const [renaming, setRenaming] = useState(false);

  if (renaming) {
    return (
      <li>
        <RenameField
          title={conversation.title ?? ""}
          onDone={(next) => {
            setRenaming(false);
            if (next !== null) void app.conversations.rename(id, next);
          }}
        />
      </li>
    );
  }
  return (
    <li className="row" data-current={current || undefined}>
      <a
        href={pathOf(id)}
        title={title}
        aria-current={current ? "page" : undefined}
        data-testid="conversation-link"
        data-conversation-id={id}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          app.go(id);
          onOpen();
        }}
        onDoubleClick={() => setRenaming(true)}
      >
        {busy && <span className="busy-dot" role="img" aria-label="An answer is being written" />}
        <bdi className="row-title">{title}</bdi>
      </a>
      <span className="row-actions">
        <button type="button" className="icon-button" aria-label={`Rename ${title}`} data-testid="rename" onClick={() => setRenaming(true)}>
          <Pencil />
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label={`Delete ${title}`}
          data-testid="delete"
          onClick={() => void app.conversations.remove(id)}
        >
          <Trash />
        </button>
      </span>
    </li>
  );
}

function RenameField({ title, onDone }: { title: string; onDone: (title: string | null) => void }) {
  const [text, setText] = useState(title);
  // Escape removes the field, which blurs it: only the first word counts.
  const done = useRef(false);

  function finish(next: string | null): void {
    if (done.current) return;
    done.current = true;
    onDone(next === null || next.trim() === "" ? null : next.trim());
  }

  return (
    <input
      className="rename"
      aria-label="Title"
      data-testid="rename-input"
      autoFocus
      maxLength={200}
      value={text}
      onFocus={(event) => event.target.select()}
      onChange={(event) => setText(event.target.value)}
      onBlur={() => finish(text)}
      onKeyDown={(event) => {
        if (event.nativeEvent.isComposing) return;
        if (event.key === "Enter") finish(text);
        if (event.key === "Escape") {
          event.preventDefault();
          finish(null);
        }
      }}
    />
  );
}

/** The next page comes when the end of the list comes into sight. */
function More() {
  const { conversations } = useApp();
  const element = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) void conversations.loadMore();
    });
    observer.observe(target);
    return () => observer.disconnect();
  });
  return (
    <button type="button" className="button quiet wide" ref={element} onClick={() => void conversations.loadMore()}>
      Show more
    </button>
  );
}

/** Changes when a new day begins or the page is looked at again, so that “Today” stays true. */
function useToday(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const look = (): void => setNow((before) => (before.toDateString() === new Date().toDateString() ? before : new Date()));
    const timer = setInterval(look, 60_000);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  return now;
}
