import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { freeze } from "../src/event.js";
import type { Rejection } from "../src/outcome.js";
import { createMemoryQueue } from "../src/queue.js";
import { createSender } from "../src/sender.js";

interface Sent {
  eventId: string;
  sentAt: string;
  data: { contentId: string };
}
/** What the sender uses of a response. */
interface Answer {
  status: number;
  headers: Headers;
  json: () => Promise<unknown>;
}
type Reply = (events: Sent[]) => Answer;

const answer = (body: unknown, status = 200, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: new Headers(headers),
  json: () => (typeof body === "string" ? Promise.reject(new SyntaxError(body)) : Promise.resolve(body)),
});
const stored: Reply = (events) => answer({ received: String(events.length), stored: String(events.length) });
const failed =
  (status: number, headers: Record<string, string> = {}): Reply =>
  () =>
    answer({ reason: "OVERLOADED" }, status, headers);

let batches: Sent[][];
let replies: Reply[];
let rejected: Rejection[];

const setUp = (batchSize = 10, intervalMs = 5000) => {
  const queue = createMemoryQueue(1000, 1e6);
  const onReject = (rejection: Rejection): void => void rejected.push(rejection);
  const sender = createSender({ url: "http://service/batch", queue, batchSize, intervalMs, onReject });
  const track = (contentId: string): string => {
    const { eventId, json = "", bytes } = freeze("view", { contentType: "post", contentId }, {}, "USD");
    queue.add(eventId, json, bytes);
    sender.added();
    return eventId;
  };
  return { queue, sender, track };
};
const trackMany = (track: (contentId: string) => string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => track(String(index)));
const contents = (): string[][] => batches.map((batch) => batch.map((event) => event.data.contentId));

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-03-01T12:00:00Z") });
  [batches, replies, rejected] = [[], [], []];
  vi.stubGlobal("fetch", (_url: string, { body }: { body: string }) => {
    const { events } = JSON.parse(body) as { events: Sent[] };
    batches.push(events);
    return Promise.resolve((replies.shift() ?? stored)(events));
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("batches", () => {
  it("sends ten events at once", async () => {
    const { queue, track } = setUp();
    trackMany(track, 10);
    await vi.advanceTimersByTimeAsync(0);
    expect(batches.map((batch) => batch.length)).toEqual([10]);
    expect(queue.size()).toBe(0);
  });

  it("sends fewer events after five seconds", async () => {
    const { track } = setUp();
    track("a");
    await vi.advanceTimersByTimeAsync(4999);
    expect(batches).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(contents()).toEqual([["a"]]);
  });

  it("sends at most 100 events in a request, one request at a time", async () => {
    const { track } = setUp(250);
    trackMany(track, 250);
    await vi.advanceTimersByTimeAsync(0);
    expect(batches.map((batch) => batch.length)).toEqual([100, 100, 50]);
  });

  it("sends an event that arrives during a request", async () => {
    const { track } = setUp();
    replies.push((events) => {
      track("late");
      return stored(events);
    });
    trackMany(track, 10);
    await vi.advanceTimersByTimeAsync(0);
    expect(contents().at(-1)).toEqual(["late"]);
  });
});

describe("retries", () => {
  it.each([408, 429, 500, 502, 503, 504, 401, 404])("keeps events and sends them again after %i", async (status) => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { queue, track } = setUp(1);
    replies.push(failed(status));
    track("a");
    await vi.advanceTimersByTimeAsync(999);
    expect(batches.length).toBe(1);
    expect(queue.size()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(contents()).toEqual([["a"], ["a"]]);
    expect(queue.size()).toBe(0);
  });

  it("doubles the longest wait from one second to a minute, with full jitter", async () => {
    const { track } = setUp(1);
    replies.push(...Array.from({ length: 9 }, () => failed(503)));
    const random = vi.spyOn(Math, "random").mockReturnValue(1);
    track("a");
    for (const [attempt, seconds] of [1, 2, 4, 8, 16, 32, 60, 60].entries()) {
      await vi.advanceTimersByTimeAsync(0);
      expect(batches.length).toBe(attempt + 1);
      await vi.advanceTimersByTimeAsync(seconds * 1000 - 1);
      expect(batches.length).toBe(attempt + 1);
      random.mockReturnValue(attempt === 7 ? 0 : 1);
      await vi.advanceTimersByTimeAsync(1);
    }
    await vi.advanceTimersByTimeAsync(1);
    expect(batches.length).toBe(10); // The last wait was 0.
  });

  it("heeds retry-after, and adds the jitter to it", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const { track } = setUp(1);
    replies.push(failed(503, { "retry-after": "7" }));
    track("a");
    await vi.advanceTimersByTimeAsync(7499);
    expect(batches.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(batches.length).toBe(2);
  });

  it("waits an hour at most, whatever a proxy says", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { track } = setUp(1);
    replies.push(failed(503, { "retry-after": "99999999999" }));
    track("a");
    await vi.advanceTimersByTimeAsync(3_599_999);
    expect(batches.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(batches.length).toBe(2);
  });

  it("tries again after a network error", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { queue, track } = setUp(1);
    replies.push(() => {
      throw new TypeError("Failed to fetch");
    });
    track("a");
    await vi.advanceTimersByTimeAsync(0);
    expect(contents()).toEqual([["a"], ["a"]]);
    expect(queue.size()).toBe(0);
  });

  it("does not believe a 200 that is not the service's", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { track } = setUp(1);
    replies.push(
      () => answer("<html>Please sign in</html>"),
      () => answer({ ok: true }),
    );
    track("a");
    await vi.advanceTimersByTimeAsync(10);
    expect(contents()).toEqual([["a"], ["a"], ["a"]]);
  });

  it("sends the same event again, but for sentAt", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { track } = setUp(1);
    replies.push(failed(503));
    track("a");
    await vi.advanceTimersByTimeAsync(1000);
    const [[first], [second]] = batches as [[Sent], [Sent]];
    expect(first.sentAt).toBe("2026-03-01T12:00:00.000Z");
    expect(second.sentAt).toBe("2026-03-01T12:00:01.000Z");
    expect({ ...second, sentAt: "" }).toEqual({ ...first, sentAt: "" });
  });
});

describe("refusals", () => {
  it("halves a batch that is too large", async () => {
    const { queue, track } = setUp(100);
    const limited: Reply = (events) => (events.length > 30 ? failed(413)(events) : stored(events));
    replies.push(...Array.from({ length: 20 }, () => limited));
    trackMany(track, 100);
    await vi.advanceTimersByTimeAsync(0);
    expect(batches.slice(0, 3).map((batch) => batch.length)).toEqual([100, 50, 25]);
    expect(queue.size()).toBe(0);
    expect(rejected).toEqual([]);
  });

  it("finds the one event for which the whole batch is refused, and stores the others", async () => {
    const { queue, track } = setUp(100);
    const strict: Reply = (events) =>
      events.some((event) => event.data.contentId === "70")
        ? answer({ reason: "INVALID_EVENT", violations: [] }, 400)
        : stored(events);
    replies.push(...Array.from({ length: 40 }, () => strict));
    const ids = trackMany(track, 100);
    await vi.advanceTimersByTimeAsync(0);
    expect(rejected).toEqual([{ eventId: ids[70], reason: "INVALID_EVENT", violations: [] }]);
    expect(queue.size()).toBe(0);
    expect(batches.length).toBeLessThan(25);
  });

  it("reports the events that the service rejects by their index", async () => {
    const { queue, track } = setUp();
    const violations = [{ field: "data.contentId", rule: "MAX_LENGTH", description: "is too long" }];
    replies.push(() =>
      answer({
        received: "10",
        stored: "8",
        rejected: "2",
        rejections: [
          { eventId: "x", reason: "INVALID_EVENT", violations }, // JSON leaves an index of 0 out.
          { index: "4", reason: "EVENT_TOO_OLD" },
        ],
      }),
    );
    const ids = trackMany(track, 10);
    await vi.advanceTimersByTimeAsync(0);
    expect(rejected).toEqual([
      { eventId: ids[0], reason: "INVALID_EVENT", violations },
      { eventId: ids[4], reason: "EVENT_TOO_OLD", violations: undefined },
    ]);
    expect(queue.size()).toBe(0);
  });

  it("goes on when the host's function throws", async () => {
    const queue = createMemoryQueue(1000, 1e6);
    const onReject = (): never => {
      throw new Error("of the host");
    };
    const logged = vi.spyOn(console, "error").mockReturnValue(undefined);
    const sender = createSender({ url: "/", queue, batchSize: 1, intervalMs: 5, onReject });
    replies.push(failed(400));
    queue.add("a", `{"data":{}}`, 11);
    sender.added();
    await vi.advanceTimersByTimeAsync(0);
    queue.add("b", `{"data":{}}`, 11);
    sender.added();
    await vi.advanceTimersByTimeAsync(0);
    expect(queue.size()).toBe(0);
    expect(logged).toHaveBeenCalledOnce();
  });
});

describe("flush", () => {
  it("sends at once, also during a wait", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { sender, track } = setUp();
    replies.push(failed(503, { "retry-after": "60" }));
    track("a");
    await vi.advanceTimersByTimeAsync(5000);
    expect(batches.length).toBe(1);
    expect(await sender.flush()).toBe(0);
    expect(batches.length).toBe(2);
  });

  it("answers how many events are left when its time is over", async () => {
    const { sender, track } = setUp();
    vi.stubGlobal("fetch", () => new Promise(() => undefined));
    track("a");
    track("b");
    const flushed = sender.flush(500);
    await vi.advanceTimersByTimeAsync(500);
    expect(await flushed).toBe(2);
  });
});
