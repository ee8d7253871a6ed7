/** `/` is a new chat, `/c/<conversation_id>` a conversation; the history is the browser's. */

export function conversationIn(pathname: string): string | null {
  const match = /^\/c\/([^/]+)\/?$/.exec(pathname);
  return match?.[1] === undefined ? null : decodeURIComponent(match[1]);
}

export const pathOf = (conversationId: string | null): string =>
  conversationId === null ? "/" : `/c/${encodeURIComponent(conversationId)}`;
