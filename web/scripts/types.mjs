// Makes src/api/schema.d.ts, the types of everything the server takes and sends, of its OpenAPI
// document. Runs before build, typecheck and tests; the result is not committed.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const SOURCE = new URL("../../docs/reference/openapi.json", import.meta.url);
const MADE = new URL("../src/api/schema.d.ts", import.meta.url);

const text = await readFile(SOURCE, "utf8");
const { components } = JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/"));
const types = await compile({ $defs: components.schemas }, "Api", {
  additionalProperties: false,
  bannerComment: "/* Made by scripts/types.mjs of docs/reference/openapi.json. */",
  format: false,
  unreachableDefinitions: true,
});
await mkdir(new URL(".", MADE), { recursive: true });
// Written only when it is another, so that nothing is built again for it.
if (types !== (await readFile(MADE, "utf8").catch(() => ""))) await writeFile(MADE, types);
