import { useId, useRef } from "react";
import type { KeyboardEvent, ReactNode } from "react";

interface MenuProps {
  /** Also the class that says where it opens. */
  name: string;
  label: string;
  testId: string;
  button: ReactNode;
  onToggle?: (open: boolean) => void;
  children: ReactNode;
}

/** A button that opens a menu. The browser's popover closes it on Escape or a click elsewhere and returns the focus. */
export function Menu({ name, label, testId, button, onToggle, children }: MenuProps) {
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);

  function items(): HTMLElement[] {
    return [...(menu.current?.querySelectorAll<HTMLElement>("[role^=menuitem]:not(:disabled)") ?? [])];
  }

  function move(event: KeyboardEvent): void {
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined || all.length === 0) return;
    event.preventDefault();
    all.at(to % all.length)?.focus();
  }

  return (
    <>
      <button type="button" className={`${name}-button`} popoverTarget={id} aria-label={label} aria-haspopup="menu" data-testid={testId}>
        {button}
      </button>
      <div
        id={id}
        ref={menu}
        popover="auto"
        role="menu"
        tabIndex={-1}
        aria-label={label}
        className={`menu ${name}`}
        onKeyDown={move}
        onToggle={(event) => {
          const open = event.newState === "open";
          if (open) firstOf(items())?.focus();
          onToggle?.(open);
        }}
        onClick={(event) => {
          if ((event.target as Element).closest("[role^=menuitem]:not([data-stay])") !== null) menu.current?.hidePopover();
        }}
      >
        {children}
      </div>
    </>
  );
}

/** A menu of choices opens at the one that is made; a choice among other entries is no reason to skip those. */
function firstOf(items: HTMLElement[]): HTMLElement | undefined {
  const choices = items[0]?.role === "menuitemradio";
  return (choices ? items.find((item) => item.ariaChecked === "true") : undefined) ?? items[0];
}

interface MenuItemProps {
  onSelect: () => void;
  children: ReactNode;
  checked?: boolean;
  disabled?: boolean;
  /** The menu stays open after a choice. */
  stay?: boolean;
  testId?: string;
}

export function MenuItem({ onSelect, children, checked, disabled, stay, testId }: MenuItemProps) {
  return (
    <button
      type="button"
      className="menu-item"
      role={checked === undefined ? "menuitem" : "menuitemradio"}
      aria-checked={checked}
      disabled={disabled}
      data-stay={stay || undefined}
      data-testid={testId}
      onClick={onSelect}
    >
      {children}
    </button>
  );
}
