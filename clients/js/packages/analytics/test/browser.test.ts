import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { findChromium, launch } from "../../../conformance/chromium.js";
import type { Analytics } from "../src/index.js";
import { Site } from "./site.js";

declare global {
  var analytics: Analytics;
  var dropped: [string, string][];
}

const installed = findChromium() !== undefined;
if (!installed) console.warn("the tests in a browser are skipped: there is no Chromium on PATH");

let browser: Browser;
let context: BrowserContext;
let site: Site;
let problems: string[];

beforeAll(async () => {
  if (installed) browser = await launch();
});
afterAll(async () => {
  if (installed) await browser.close();
});
beforeEach(async () => {
  site = new Site();
  await site.open();
  problems = [];
  context = await browser.newContext();
  context.on("weberror", (error) => problems.push(String(error.error())));
});
afterEach(async () => {
  await context.close();
  site.close();
  expect(problems).toEqual([]);
});

const open = async (path = "/"): Promise<Page> => {
  const page = await context.newPage();
  await page.goto(site.origin + path);
  if (path !== "/frame") await page.waitForFunction(() => "analytics" in globalThis);
  return page;
};
const track = async (page: Page, count: number): Promise<string[]> =>
  page.evaluate(
    (many) =>
      Array.from({ length: many }, (_, n) => analytics.track("view", { contentType: "post", contentId: String(n) })!),
    count,
  );
const flush = (page: Page): Promise<number> => page.evaluate(() => analytics.flush());
const stored = (page: Page): Promise<number> =>
  page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("sla.q.")).length);
const arrived = (ids: string[]): Promise<unknown> =>
  vi.waitFor(() => {
    expect(new Set(site.ids)).toEqual(new Set(ids));
  }, 15_000);

describe.runIf(installed)("in Chromium", () => {
  it("stores events of a page with a strict content security policy, without a preflight", async () => {
    const page = await open();
    page.on("console", (message) => problems.push(message.text()));
    const ids = await track(page, 12);
    expect(await flush(page)).toBe(0);
    await arrived(ids);
    expect(await stored(page)).toBe(0);
    expect(new Set(site.calls.map((call) => call.method))).toEqual(new Set(["POST"]));
    expect(site.calls[0]?.contentType).toMatch(/^text\/plain/);
    expect(site.calls[0]?.events[0]).toMatchObject({ platform: "web", schemaVersion: "1.1.0", sequence: 0 });
  });

  it("works in a worker", async () => {
    const page = await open();
    const answer = await page.evaluate(
      () =>
        new Promise<{ eventId: string; left: number }>((resolve) => {
          const worker = new Worker("/worker.js", { type: "module" });
          worker.onmessage = (message: MessageEvent<{ eventId: string; left: number }>) => {
            resolve(message.data);
          };
          worker.postMessage("from-a-worker");
        }),
    );
    expect(answer.left).toBe(0);
    expect(site.ids).toEqual([answer.eventId]);
  });

  it("works where the page has no storage, and sends at its end what waits", async () => {
    const page = await open("/frame");
    const frame = await vi.waitFor(() => {
      const inner = page.frame("inner");
      expect(inner).not.toBeNull();
      return inner!;
    }, 15_000);
    await frame.waitForFunction(() => "analytics" in globalThis);
    const ids = await frame.evaluate(() => {
      let refused = false;
      try {
        localStorage.getItem("");
      } catch {
        refused = true;
      }
      return [refused, analytics.track("view", { contentType: "post", contentId: "p" })] as const;
    });
    expect(ids[0]).toBe(true);
    await page.goto(`${site.origin}/other`);
    await arrived([ids[1]!]);
  });

  it("stores events in a private window, and forgets them with it", async () => {
    site.reply = () => 503;
    const page = await open();
    await track(page, 3);
    expect(await stored(page)).toBe(3);
    await context.close();
    context = await browser.newContext();
    expect(await stored(await open())).toBe(0);
  });

  it("sends the events of a page that is closed at once", async () => {
    const page = await open();
    const ids = await track(page, 3);
    await page.close();
    await arrived(ids);
  });

  it("sends the events of a page that is left at once, and keeps them until they are acknowledged", async () => {
    site.reply = () => 503;
    const page = await open();
    const ids = await track(page, 3);
    await page.goto(`${site.origin}/other`);
    await arrived(ids);
    expect(await stored(page)).toBe(3);
    site.reply = () => 200;
    const next = await open();
    expect(await flush(next)).toBe(0);
    await arrived(ids);
    expect(await stored(next)).toBe(0);
  });

  it("sends a beacon of at most 60,000 bytes, and each event in one beacon", async () => {
    const page = await open();
    const beacons = await page.evaluate(() => {
      const sizes: [accepted: boolean, bytes: number, events: number][] = [];
      const sendBeacon = navigator.sendBeacon.bind(navigator);
      navigator.sendBeacon = (url, body) => {
        const accepted = sendBeacon(url, body);
        const { events } = JSON.parse(body as string) as { events: unknown[] };
        sizes.push([accepted, new Blob([body as string]).size, events.length]);
        return accepted;
      };
      const view = (contentId: string) => analytics.track("view", { contentType: "post", contentId, referrer });
      const referrer = "日".repeat(3000);
      for (let n = 0; n < 6; n++) view(String(n));
      dispatchEvent(new Event("pagehide"));
      dispatchEvent(new Event("pagehide"));
      for (let n = 0; n < 3; n++) view(String(n));
      dispatchEvent(new Event("pagehide"));
      return sizes;
    });
    expect(beacons.map(([, , events]) => events)).toEqual([6, 3]);
    expect(beacons[0]?.[0]).toBe(true);
    expect(beacons[0]?.[1]).toBeLessThanOrEqual(60_000);
    expect(beacons[0]?.[1]).toBeGreaterThan(54_000);
  });

  it("leaves for the next beacon what does not fit into one", async () => {
    const page = await open();
    const counts = await page.evaluate(() => {
      const events: number[] = [];
      navigator.sendBeacon = (_url, body) => {
        events.push((JSON.parse(body as string) as { events: unknown[] }).events.length);
        return true;
      };
      for (let n = 0; n < 9; n++)
        analytics.track("view", { contentType: "post", contentId: String(n), referrer: "日".repeat(3000) });
      for (let n = 0; n < 3; n++) dispatchEvent(new Event("pagehide"));
      return events;
    });
    expect(counts).toEqual([6, 3]);
  });

  it("sends events under their ids after a reload", async () => {
    site.reply = () => null;
    const page = await open();
    const ids = await track(page, 10);
    await vi.waitFor(() => {
      expect(site.calls.length).toBeGreaterThan(0);
    }, 15_000);
    await page.reload();
    await page.waitForFunction(() => "analytics" in globalThis);
    expect(await stored(page)).toBe(10);
    site.reply = () => 200;
    expect(await flush(page)).toBe(0);
    await arrived(ids);
    expect(await stored(page)).toBe(0);
  });

  it("lets one of two tabs send at a time, and both use one session", async () => {
    let running = 0;
    let most = 0;
    site.reply = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 50));
      running--;
      return 200;
    };
    const [one, two] = [await open(), await open()];
    const ids = await track(one, 1);
    // A tab learns a little later what another has stored.
    await two.waitForFunction(() => localStorage.getItem("sla.s"));
    for (let round = 0; round < 5; round++) {
      const both = await Promise.all([track(one, 10), track(two, 10)]);
      ids.push(...both.flat());
    }
    expect(await Promise.all([flush(one), flush(two)])).toEqual([0, 0]);
    // A tab may learn late what the other has removed, and send it again: the service stores it once.
    await arrived(ids);
    expect(most).toBe(1);
    expect(new Set(site.calls.flatMap((call) => call.events.map((event) => event.sessionId))).size).toBe(1);
  });

  it("lets another tab send the events of a tab that was closed", async () => {
    site.reply = () => 503;
    const [one, two] = [await open(), await open()];
    const ids = await track(one, 10);
    await one.close();
    site.reply = () => 200;
    expect(await flush(two)).toBe(0);
    await arrived(ids);
  });

  it("stores and sends nothing before consent, and everything afterwards", async () => {
    const page = await open("/pending");
    const ids = await track(page, 15);
    expect(await flush(page)).toBe(0); // There are 15, but none that may be sent.
    expect(await page.evaluate(() => localStorage.length)).toBe(0);
    expect(site.calls).toEqual([]);
    await page.evaluate(() => {
      analytics.setConsent("granted");
    });
    expect(await flush(page)).toBe(0);
    await arrived(ids);
  });

  it("deletes everything when consent is denied", async () => {
    site.reply = () => 503;
    const page = await open();
    const ids = await track(page, 3);
    const after = await page.evaluate(() => {
      analytics.setConsent("denied");
      const refused = analytics.track("session", { action: "start" }) === undefined;
      return { refused, keys: Object.keys(localStorage), dropped };
    });
    expect(after).toEqual({ refused: true, keys: [], dropped: ids.map((id) => [id, "consent_denied"]) });
  });

  it("measures dwell, and tracks it when the page is left", async () => {
    const page = await open();
    await page.evaluate(async () => {
      analytics.startDwellTracking("post", "post-123");
      await new Promise((resolve) => setTimeout(resolve, 300));
    });
    await page.goto(`${site.origin}/other`);
    await vi.waitFor(() => {
      expect(site.calls.length).toBe(1);
    }, 10_000);
    const [view] = site.calls[0]!.events;
    expect(view).toMatchObject({ eventType: "view", data: { contentType: "post", contentId: "post-123" } });
    expect(view?.data["viewDuration"]).toBeGreaterThanOrEqual(0.29);
  });
});
