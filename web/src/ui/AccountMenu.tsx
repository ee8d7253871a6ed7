import { useState } from "react";
import { useApp, useAppState } from "./context";
import { ChevronDown, Key, Lock, Monitor, Moon, SignOut, Sliders, Sun, Trash } from "./icons";
import { Menu, MenuItem } from "./Menu";
import type { DialogName } from "./Shell";
import { setTheme, themeNow } from "./theme";
import type { Theme } from "./theme";

export function AccountMenu({ onDialog }: { onDialog: (name: DialogName) => void }) {
  const app = useApp();
  const me = useAppState((state) => state.me);
  const auth = useAppState((state) => state.auth);
  const name = auth ? (me?.email ?? "") : "On this computer";
  return (
    <div className="sidebar-foot">
      <Menu
        name="account-menu"
        label="Account and settings"
        testId="account-menu"
        button={
          <>
            <span className="avatar" aria-hidden="true">
              {name.slice(0, 1).toUpperCase()}
            </span>
            <span className="account-name">{name}</span>
            <ChevronDown />
          </>
        }
      >
        <MenuItem onSelect={() => onDialog("instructions")} testId="menu-instructions">
          <Sliders /> Custom instructions
        </MenuItem>
        {auth && (
          <>
            <MenuItem onSelect={() => onDialog("keys")} testId="menu-keys">
              <Key /> API keys
            </MenuItem>
            <MenuItem onSelect={() => onDialog("password")} testId="menu-password">
              <Lock /> Change password
            </MenuItem>
            <MenuItem onSelect={() => onDialog("delete")} testId="menu-delete">
              <Trash /> Delete account
            </MenuItem>
          </>
        )}
        <ThemeChoice />
        {auth && (
          <MenuItem onSelect={() => void app.signOut()} testId="sign-out">
            <SignOut /> Sign out
          </MenuItem>
        )}
      </Menu>
    </div>
  );
}

const THEMES: [Theme, string, () => React.ReactElement][] = [
  ["system", "System theme", Monitor],
  ["light", "Light theme", Sun],
  ["dark", "Dark theme", Moon],
];

function ThemeChoice() {
  const [theme, choose] = useState(themeNow);
  return (
    <div className="theme-choice" role="group" aria-label="Theme">
      {THEMES.map(([value, label, Icon]) => (
        <button
          key={value}
          type="button"
          className="menu-item"
          role="menuitemradio"
          aria-checked={theme === value}
          aria-label={label}
          title={label}
          data-stay
          data-testid={`theme-${value}`}
          onClick={() => {
            setTheme(value);
            choose(value);
          }}
        >
          <Icon />
        </button>
      ))}
    </div>
  );
}
