import { useEffect, useState } from "react";
import { AccountMenu } from "./AccountMenu";
import { ConversationList } from "./ConversationList";
import { useApp, useAppState } from "./context";
import { Close, NewChat, Search } from "./icons";
import { Logo } from "./Logo";
import type { DialogName } from "./Shell";

const SEARCH_PAUSE_MS = 200;

interface SidebarProps {
  onDialog: (name: DialogName) => void;
  onClose: () => void;
}

export function Sidebar({ onDialog, onClose }: SidebarProps) {
  const app = useApp();
  return (
    <nav className="sidebar" aria-label="Conversations" data-testid="sidebar">
      <div className="sidebar-head">
        <Logo />
        <button type="button" className="icon-button drawer-only" aria-label="Close the sidebar" onClick={onClose}>
          <Close />
        </button>
      </div>
      <button
        type="button"
        className="button new-chat"
        data-testid="new-chat"
        title="New chat (Ctrl+Shift+O)"
        onClick={() => {
          app.go(null);
          onClose();
        }}
      >
        <NewChat /> New chat
      </button>
      <SearchField />
      <ConversationList onOpen={onClose} />
      <AccountMenu onDialog={onDialog} />
    </nav>
  );
}

function SearchField() {
  const { conversations } = useApp();
  const [query, setQuery] = useState(() => "");
  const shown = useAppState((state) => state.search.query);

  useEffect(() => {
    if (query === shown) return;
    const timer = setTimeout(() => void conversations.search(query), query === "" ? 0 : SEARCH_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [conversations, query, shown]);

  return (
    <label className="search">
      <Search />
      <input
        id="search"
        type="search"
        placeholder="Search titles"
        aria-label="Search conversations by title"
        title="Search (/ or Ctrl+K)"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || query === "") return;
          event.preventDefault();
          setQuery("");
        }}
        data-testid="search"
      />
    </label>
  );
}
