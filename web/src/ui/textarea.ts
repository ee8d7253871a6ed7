import { useLayoutEffect, useRef } from "react";
import type { KeyboardEvent } from "react";

/** Enter that sends: not Shift+Enter, and not the Enter that ends an input method's composition. */
export function isPlainEnter(event: KeyboardEvent): boolean {
  // Safari ends the composition before the key event; only its key code 229 still tells.
  return event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing && event.keyCode !== 229;
}

/** As high as its text, up to the height CSS allows. */
export function useAutosize(text: string) {
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const element = area.current;
    if (element === null) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
    // The height follows from the text, which the effect reads only through the element.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [text]);
  return area;
}
