// Finds and starts the Chromium of this machine.
import { accessSync, constants, readlinkSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]; // Tests may run as root.
const LOCK_TIMEOUT_MS = 20_000;

/** Find the browser on PATH; undefined if there is none. */
export const findChromium = () => {
  for (const folder of (process.env.PATH ?? "").split(delimiter))
    for (const name of NAMES) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Look further.
      }
    }
  return undefined;
};

/** Start the browser. */
export const launch = (...flags) => chromium.launch({ executablePath: findChromium(), args: [...FLAGS, ...flags] });

/** Start the browser with a profile that outlives it, once the browser that used it before has ended. */
export const launchProfile = async (folder, ...flags) => {
  const deadline = Date.now() + LOCK_TIMEOUT_MS;
  for (let pid; (pid = ownerOf(folder)); await new Promise((resolve) => setTimeout(resolve, 50)))
    if (Date.now() > deadline) process.kill(pid, "SIGKILL");
  rmSync(join(folder, "SingletonLock"), { force: true });
  return chromium.launchPersistentContext(folder, { executablePath: findChromium(), args: [...FLAGS, ...flags] });
};

/** Find the process that uses a profile. */
const ownerOf = (folder) => {
  try {
    const pid = Number(readlinkSync(join(folder, "SingletonLock")).split("-").pop());
    process.kill(pid, 0);
    return pid;
  } catch {
    return undefined;
  }
};
