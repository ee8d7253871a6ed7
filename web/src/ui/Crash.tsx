import { Component } from "react";
import type { ReactNode } from "react";

/** A fault of ours must not leave an empty page: nothing is lost on the server, and a reload shows it. */
export class Crash extends Component<{ children: ReactNode }, { crashed: boolean }> {
  override state = { crashed: false };

  static getDerivedStateFromError(): { crashed: boolean } {
    return { crashed: true };
  }

  override render(): ReactNode {
    if (!this.state.crashed) return this.props.children;
    return (
      <main className="splash" role="alert">
        <p>This page has met a fault of its own. Your conversations are safe.</p>
        <button type="button" className="button" onClick={() => location.reload()}>
          Reload
        </button>
      </main>
    );
  }
}
