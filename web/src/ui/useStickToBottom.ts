import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** Closer to the end than this counts as being there. */
const NEAR_PX = 32;
/** Farther than this, a way back is offered. */
const AWAY_PX = 200;

/** Keeps the end in sight while content grows, until the reader scrolls up; being at the end again takes hold again. */
export function useStickToBottom() {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  const [away, setAway] = useState(false);

  useLayoutEffect(() => {
    const box = scroller.current;
    const inner = content.current;
    if (box === null || inner === null) return;
    const follow = (): void => {
      if (stuck.current) box.scrollTop = box.scrollHeight;
    };
    const observer = new ResizeObserver(follow);
    observer.observe(inner);
    observer.observe(box);
    follow();
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    let before = box.scrollTop;
    const scrolled = (): void => {
      const left = box.scrollHeight - box.scrollTop - box.clientHeight;
      if (left < NEAR_PX) stuck.current = true;
      else if (box.scrollTop < before) stuck.current = false;
      before = box.scrollTop;
      setAway(!stuck.current && left > AWAY_PX);
    };
    // A wheel turned up lets go before the first pixel, else growing text would win against a slow hand.
    const wheel = (event: WheelEvent): void => {
      if (event.deltaY < 0 && box.scrollHeight > box.clientHeight) stuck.current = false;
    };
    box.addEventListener("scroll", scrolled, { passive: true });
    box.addEventListener("wheel", wheel, { passive: true });
    return () => {
      box.removeEventListener("scroll", scrolled);
      box.removeEventListener("wheel", wheel);
    };
  }, []);

  const jump = useCallback((behavior: ScrollBehavior) => {
    stuck.current = true;
    setAway(false);
    const box = scroller.current;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    box?.scrollTo({ top: box.scrollHeight, behavior: calm ? "instant" : behavior });
  }, []);

  return { scroller, content, away, jump };
}
