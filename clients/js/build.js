// Builds both packages: a minified module for browsers, readable modules for Node, and the types of both.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { copyFileSync, rmSync } from "node:fs";
import { build } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));
const analytics = `${root}packages/analytics`;
const run = (...args) => execFileSync(`${root}node_modules/.bin/tsc`, args, { cwd: root, stdio: "inherit" });

for (const name of ["analytics", "analytics-node"])
  rmSync(`${root}packages/${name}/dist`, { recursive: true, force: true });
for (const entry of ["index", "core"]) {
  await build({
    root: analytics,
    logLevel: "warn",
    build: {
      outDir: "dist",
      emptyOutDir: false,
      target: "es2022",
      minify: entry === "index" ? "oxc" : false,
      // Vite keeps the white space of libraries; rolldown removes it.
      rolldownOptions: { output: { minify: entry === "index" } },
      lib: { entry: `src/${entry}.ts`, formats: ["es"], fileName: entry },
    },
  });
}
run("--project", "packages/analytics/tsconfig.json");
run("--project", "packages/analytics-node/tsconfig.json");
for (const name of ["analytics", "analytics-node"])
  copyFileSync(`${root}../../LICENSE`, `${root}packages/${name}/LICENSE`);
