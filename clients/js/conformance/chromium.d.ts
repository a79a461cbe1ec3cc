import type { Browser, BrowserContext } from "playwright-core";

export const findChromium: () => string | undefined;
export const launch: (...flags: string[]) => Promise<Browser>;
export const launchProfile: (folder: string, ...flags: string[]) => Promise<BrowserContext>;
