import { afterEach, describe, expect, it, vi } from "vitest";
import { freeze, MAX_EVENT_BYTES } from "../src/event.js";
import type { PurchaseData } from "../src/events.gen.js";

const parse = (json: string | undefined): Record<string, unknown> =>
  JSON.parse(json ?? "null") as Record<string, unknown>;
const purchase: PurchaseData = { productId: "product-456", orderId: "order-789", amount: 29.99 };

afterEach(() => {
  vi.useRealTimers();
});

describe("freeze", () => {
  it("gives ids that are UUIDv7, are unique, and sort by time and sequence", () => {
    vi.useFakeTimers({ now: 1_700_000_000_000 });
    const ids = Array.from({ length: 1000 }, (_, n) => {
      vi.setSystemTime(1_700_000_000_000 + Math.floor(n / 100));
      return freeze("view", { contentType: "post", contentId: "p" }, {}, "USD").eventId;
    });
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(1000);
    expect([...ids].sort()).toEqual(ids);
    expect(parseInt(ids[0]!.replace("-", "").slice(0, 12), 16)).toBe(1_700_000_000_000);
  });

  it("orders events of the same millisecond by their sequence", () => {
    const numbers = [1, 2, 3].map(() => parse(freeze("session", { action: "start" }, {}, "USD").json)["sequence"]);
    expect(numbers).toEqual([numbers[0], Number(numbers[0]) + 1, Number(numbers[0]) + 2]);
  });

  it("keeps what the data was when it was tracked", () => {
    const data = { contentType: "post", contentId: "before" };
    const { json } = freeze("view", data, {}, "USD");
    data.contentId = "after";
    expect(parse(json)["data"]).toEqual({ contentType: "post", contentId: "before" });
  });

  it.each([
    [purchase, "EUR"],
    [{ ...purchase, currency: undefined }, "EUR"],
    [{ ...purchase, currency: "CHF" }, "CHF"],
  ])("fills a currency that a purchase leaves out: %j", (data, currency) => {
    const event = parse(freeze("purchase", data, {}, "EUR").json);
    expect(event).toMatchObject({ eventType: "purchase", schemaVersion: "1.1.0", data: { ...purchase, currency } });
  });

  it("measures an event in bytes, not in characters", () => {
    const { json, bytes } = freeze("view", { contentType: "post", contentId: "日本" }, {}, "USD");
    expect(bytes).toBe(Buffer.byteLength(json ?? ""));
    const long = "日".repeat(MAX_EVENT_BYTES / 3);
    expect(freeze("view", { contentType: "post", contentId: long }, {}, "USD").json).toBeUndefined();
  });

  it("refuses what is not JSON instead of throwing", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    for (const metadata of [cycle, { big: 1n }])
      expect(
        freeze("session", { action: "start", metadata: metadata as Record<string, never> }, {}, "USD").json,
      ).toBeUndefined();
  });
});
