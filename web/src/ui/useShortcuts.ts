import { useEffect } from "react";
import type { App } from "../app/app";

/** Keys that work anywhere on the page. What a dialog, a menu or an editor takes for itself never gets here. */
export function useShortcuts(app: App, drawer: boolean, setDrawer: (open: boolean) => void): void {
  useEffect(() => {
    function search(event: KeyboardEvent): void {
      event.preventDefault();
      setDrawer(true);
      // The drawer's contents can take the focus only after it has been drawn open.
      requestAnimationFrame(() => document.querySelector<HTMLInputElement>("#search")?.focus());
    }

    function escape(): void {
      if (drawer) setDrawer(false);
      else app.chat.stop();
    }

    function pressed(event: KeyboardEvent): void {
      if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open], :popover-open") !== null) return;
      const command = event.ctrlKey || event.metaKey;
      const writing = (event.target as Element).closest("input, textarea") !== null;
      const key = event.key.toLowerCase();
      if (command && event.shiftKey && key === "o") {
        event.preventDefault();
        app.go(null);
        setDrawer(false);
      } else if ((command && !event.shiftKey && key === "k") || (key === "/" && !command && !writing)) {
        search(event);
      } else if (key === "escape") {
        escape();
      }
    }

    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [app, drawer, setDrawer]);
}
