import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const SERVER = "http://127.0.0.1:8484";

export default defineConfig({
  plugins: [react()],
  build: {
    // The Python package serves and ships this folder; it lies outside web/, so emptying needs saying.
    outDir: "../src/tertulia/web",
    emptyOutDir: true,
    target: "es2022",
    // The server's CSP allows no data: fonts or scripts, and a hashed file caches better.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/v1": { target: SERVER, ws: true },
      "/auth": SERVER,
    },
  },
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    environment: "node",
    restoreMocks: true,
  },
});
