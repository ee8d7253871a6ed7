/** Short notices at the edge of the screen; some can be undone while they show. */
import type { AppState, Toast } from "../state/app";
import type { Store } from "./store";

const SHOWN_MS = 6_000;
const UNDO_MS = 12_000;

export class Notices {
  private number = 0;

  constructor(private readonly store: Store<AppState>) {}

  show(text: string, undo?: () => void): void {
    const id = ++this.number;
    const toast: Toast = undo === undefined ? { id, text } : { id, text, undo };
    this.store.update((state) => ({ ...state, toasts: [...state.toasts, toast].slice(-3) }));
    setTimeout(() => this.dismiss(id), undo === undefined ? SHOWN_MS : UNDO_MS);
  }

  failure(what: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.show(`${what}: ${why}`);
  }

  dismiss(id: number): void {
    this.store.update((state) => ({ ...state, toasts: state.toasts.filter((toast) => toast.id !== id) }));
  }
}
