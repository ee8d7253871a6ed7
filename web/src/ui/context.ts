import { createContext, use, useRef } from "react";
import type { App } from "../app/app";
import { useStore } from "../app/store";
import type { AppState } from "../state/app";

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = use(AppContext);
  if (app === null) throw new Error("useApp outside of AppContext");
  return app;
}

/** `select` picks from the state; what it returns must be the same value for the same state. */
export function useAppState<T>(select: (state: AppState) => T): T {
  return useStore(useApp().store, select);
}

/** Like `useAppState` for a list made anew at each call: the same list as long as its members are the same. */
export function useAppList<T>(select: (state: AppState) => T[]): readonly T[] {
  const held = useRef<T[]>([]);
  return useAppState((state) => {
    const next = select(state);
    const equal = next.length === held.current.length && next.every((member, at) => member === held.current[at]);
    if (!equal) held.current = next;
    return held.current;
  });
}
