/** The system's theme unless the user has chosen one; `public/theme.js` applies the choice before the first paint. */
export type Theme = "system" | "light" | "dark";

const KEY = "tertulia.theme";

export function themeNow(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function setTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be blocked: the choice then lasts as long as the page.
  }
}
