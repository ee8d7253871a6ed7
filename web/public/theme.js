// Runs before the first paint, so that a chosen theme never flashes. A file, since the CSP forbids inline scripts.
try {
  const theme = localStorage.getItem("tertulia.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be blocked; the system's theme applies then.
}
