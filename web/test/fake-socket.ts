/** A WebSocket whose other end is the test. */
import type { ServerMessage } from "../src/net/feed-socket";

export class FakeSocket extends EventTarget {
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    const socket = FakeSocket.all.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  }

  readonly sent: Record<string, unknown>[] = [];
  closed = false;

  constructor(readonly url: string) {
    super();
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  // What the server does:

  accept(): void {
    this.dispatchEvent(new Event("open"));
  }

  tell(message: ServerMessage): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(message) }));
  }

  greet(feed = { epoch: "e1", offset: 0 }): void {
    this.accept();
    this.tell({ type: "hello", connection_id: "c", feed, limits: { max_frame: 65_536 } });
  }

  hangUp(code: number): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
}
