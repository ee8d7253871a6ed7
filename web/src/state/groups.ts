/** The sidebar's sections. Pure: the clock is given. */
import type { Conversation } from "./types";

export interface Group {
  label: string;
  conversations: Conversation[];
}

const DAY_MS = 86_400_000;

/** Newest first; today, yesterday, the seven days before, then by month. Days are those of the reader's calendar. */
export function groupByDate(conversations: Conversation[], now: Date, locale?: string): Group[] {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const groups: Group[] = [];
  for (const conversation of conversations.toSorted(newestFirst)) {
    const label = labelOf(new Date(conversation.updated_at * 1000), today, now, locale);
    const last = groups.at(-1);
    if (last?.label === label) last.conversations.push(conversation);
    else groups.push({ label, conversations: [conversation] });
  }
  return groups;
}

const newestFirst = (a: Conversation, b: Conversation): number => b.updated_at - a.updated_at || (a.id < b.id ? 1 : -1);

function labelOf(time: Date, today: number, now: Date, locale?: string): string {
  const day = new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime();
  // Rounded, since a day may have 23 or 25 hours.
  const daysAgo = Math.round((today - day) / DAY_MS);
  if (daysAgo <= 0) return "Today";
  if (daysAgo === 1) return "Yesterday";
  if (daysAgo <= 7) return "Previous 7 days";
  const sameYear = time.getFullYear() === now.getFullYear();
  return time.toLocaleDateString(locale, sameYear ? { month: "long" } : { month: "long", year: "numeric" });
}
