// What the stand-in server says and lists.
export const SAMPLE = `A **tertulia** is a gathering of friends who meet to talk, usually in a café, often for years. The word is Spanish; the habit is older than the word.

## What it needs

1. A table that is always free at the same hour
2. People who *disagree* well
3. Coffee, and time:
   - at least an hour
   - no \`telephones\`

| City | Café | Since |
|:--|:--|--:|
| Madrid | Café Gijón | 1888 |
| Salamanca | Novelty | 1905 |
| Buenos Aires | Tortoni | 1858 |

A small program that asks everyone for a topic:

\`\`\`python
from dataclasses import dataclass

@dataclass(frozen=True)
class Guest:
    name: str
    topic: str | None = None

def topics(guests: list[Guest]) -> list[str]:
    """Each topic once, in the order in which it was proposed."""
    seen: dict[str, None] = {}
    for guest in guests:
        if guest.topic is not None:
            seen.setdefault(guest.topic)
    return list(seen)  # 3 guests, 2 topics
\`\`\`

> Whoever speaks last has not yet won.

See [an encyclopedia](https://example.org/tertulia) and this picture: ![a café](https://example.org/cafe.png). 漢字, العربية and 👩‍👩‍👧 are at home here.

- [x] read
- [ ] discuss
`;

export const TITLES = [
  ["Planning a week in Seville", 0.01], ["Why the sky is dark at night", 0.02], ["Recipe: salmorejo for six", 1], ["A letter to the landlord", 1.1],
  ["Reading list on the Golden Age of Spanish theatre, with comments", 4], ["Postgres advisory locks", 6], ["مرحبا بالعالم", 12],
  ["週末の旅行", 40], ["Names for a cat", 70], ["Old garden notes", 400],
];
