import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";

/** What the client may cost a page. */
const MAX_BYTES = 3072;

it(`is at most ${String(MAX_BYTES)} bytes, compressed`, () => {
  const bundle = readFileSync(new URL("../dist/index.js", import.meta.url));
  expect(bundle.toString()).not.toMatch(/^import\b/m);
  expect(gzipSync(bundle, { level: 9 }).length).toBeLessThanOrEqual(MAX_BYTES);
});
