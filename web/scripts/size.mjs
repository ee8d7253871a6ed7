// Weighs what a browser loads before anything lazy: index.html, the files it names, and their static imports.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

// The issue allows 200 KB; this is what the client takes now, with a little air.
const BUDGET = 120 * 1024;
const root = join(dirname(fileURLToPath(import.meta.url)), "../../src/tertulia/web");

const sizes = new Map();
function weigh(path) {
  if (sizes.has(path)) return;
  const bytes = readFileSync(join(root, path));
  sizes.set(path, gzipSync(bytes, { level: 9 }).length);
  const text = bytes.toString();
  const references =
    path === "index.html"
      ? [...text.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map((m) => m[1])
      : [...text.matchAll(/(?:^|[;}\s])(?:import|export)[^;("']*?from\s*["']\.\/([^"']+)["']/g)].map((m) => `assets/${m[1]}`);
  references.forEach(weigh);
}

weigh("index.html");
let total = 0;
for (const [path, size] of [...sizes].toSorted((a, b) => b[1] - a[1])) {
  total += size;
  console.log(`${(size / 1024).toFixed(1).padStart(7)} KB  ${path}`);
}
console.log(`${(total / 1024).toFixed(1).padStart(7)} KB  gzip before lazy parts (budget ${BUDGET / 1024} KB)`);
if (total > BUDGET) {
  console.error("The first load is over its budget: make a part lazy, or drop a library.");
  process.exit(1);
}
