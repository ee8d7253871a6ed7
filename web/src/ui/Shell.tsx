import { lazy, Suspense, useEffect, useState } from "react";
import type { ComponentType } from "react";
import { useApp, useAppState } from "./context";
import { ConnectionBanner } from "./ConnectionBanner";
import { Conversation } from "./Conversation";
import { loadMarkdown } from "./AnswerText";
import { Sidebar } from "./Sidebar";
import { useShortcuts } from "./useShortcuts";

export type DialogName = "instructions" | "keys" | "password" | "delete";

export interface DialogProps {
  name: DialogName;
  onClose: () => void;
}

// Seldom opened, so not part of the first load. A server that was updated meanwhile no longer has our file.
const Dialogs = lazy(
  (): Promise<{ default: ComponentType<DialogProps> }> => import("./dialogs/Dialogs").catch(() => ({ default: Outdated })),
);

function Outdated({ onClose }: DialogProps) {
  const { notices } = useApp();
  useEffect(() => {
    notices.show("The server has a newer version of this page. Reload it to go on.");
    onClose();
  }, [notices, onClose]);
  return null;
}

/** The signed-in page: the list of conversations, and the open one. On a phone the list is a drawer. */
export function Shell() {
  const app = useApp();
  const conversationId = useAppState((state) => state.route.conversationId);
  const title = useAppState((state) => (conversationId === null ? null : (state.conversations[conversationId]?.title ?? null)));
  const [drawer, setDrawer] = useState(false);
  const [dialog, setDialog] = useState<DialogName | null>(null);

  useEffect(() => {
    document.title = title === null ? "Tertulia" : `${title} · Tertulia`;
  }, [title]);
  useEffect(() => void loadMarkdown(), []);
  useShortcuts(app, drawer, setDrawer);

  function closeDialog(): void {
    setDialog(null);
    // The menu item that opened the dialog is hidden again, so the browser cannot give it the focus back.
    document.querySelector<HTMLElement>(".account-menu-button")?.focus();
  }

  return (
    <div className="shell" data-drawer={drawer || undefined}>
      <Sidebar onDialog={setDialog} onClose={() => setDrawer(false)} />
      <div className="scrim" onClick={() => setDrawer(false)} />
      <main className="main" inert={drawer}>
        <ConnectionBanner />
        <Conversation key={conversationId ?? "new"} id={conversationId} onMenu={() => setDrawer(true)} />
      </main>
      {dialog !== null && (
        <Suspense>
          <Dialogs name={dialog} onClose={closeDialog} />
        </Suspense>
      )}
    </div>
  );
}
