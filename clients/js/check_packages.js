// Checks both packages as they would be published, by publint and by "Are the types wrong?".
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const run = (program, ...args) =>
  execFileSync(`${root}node_modules/.bin/${program}`, args, { cwd: root, stdio: "inherit" });

for (const name of ["analytics", "analytics-node"]) {
  run("publint", "--strict", `packages/${name}`);
  // Both are ES modules only, which `require` of Node 20.19 and newer loads.
  run("attw", "--pack", `packages/${name}`, "--profile", "esm-only", "--quiet");
}
