import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createMemoryQueue } from "../src/queue.js";
import { createStoredQueue, type Place } from "../src/stored_queue.js";
import { makeId } from "../src/event.js";
import { touchSession } from "../src/session.js";

const DAY_MS = 86_400_000;
let storage: Place;
let dropped: [string, string][];
const onDrop = (eventId: string, reason: string): void => void dropped.push([eventId, reason]);

beforeEach(() => {
  [storage, dropped] = [{}, []];
  vi.useFakeTimers({ now: new Date("2026-03-01T12:00:00Z") });
  vi.stubGlobal("localStorage", storage);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Add events a millisecond apart; returns their ids. */
const addMany = (
  queue: { add: (id: string, json: string, bytes: number) => void },
  count: number,
  bytes = 2,
): string[] =>
  Array.from({ length: count }, () => {
    vi.setSystemTime(Date.now() + 1);
    const id = makeId(Date.now());
    queue.add(id, "x".repeat(bytes), bytes);
    return id;
  });
const ids = (queue: { peek: (count: number) => (readonly [string, string, ...unknown[]])[] }): string[] =>
  queue.peek(Infinity).map(([, id]) => id);

describe("the queue in memory", () => {
  it("drops its oldest events beyond a number and beyond a size", () => {
    const queue = createMemoryQueue(3, 100, onDrop);
    const added = addMany(queue, 5);
    expect(ids(queue)).toEqual(added.slice(2));
    const [large] = addMany(queue, 1, 99);
    expect(ids(queue)).toEqual([large]);
    expect(dropped).toEqual(added.map((id) => [id, "queue_full"]));
  });

  it("counts what is removed", () => {
    const queue = createMemoryQueue(10, 10);
    const [first] = addMany(queue, 1, 10);
    queue.remove(first!);
    queue.remove(first!);
    expect(queue.size()).toBe(0);
    const [second] = addMany(queue, 1, 10);
    expect(ids(queue)).toEqual([second]);
  });
});

describe("the queue of a page", () => {
  it("is shared by tabs, and survives them", () => {
    const [one, two] = [createStoredQueue("sla.", () => true), createStoredQueue("sla.", () => true)];
    const added = [...addMany(one, 2), ...addMany(two, 2)];
    expect(ids(one)).toEqual(added);
    const [key] = one.peek(1)[0]!;
    two.remove(key);
    expect(ids(createStoredQueue("sla.", () => true))).toEqual(added.slice(1));
  });

  it("holds 1,000 events", () => {
    const queue = createStoredQueue("sla.", () => true, onDrop);
    const added = addMany(queue, 1002);
    expect(ids(queue)).toEqual(added.slice(2));
    expect(dropped).toEqual(added.slice(0, 2).map((id) => [id, "queue_full"]));
    expect(Object.keys(storage).length).toBe(1000);
  });

  it("holds 512 KB", () => {
    const queue = createStoredQueue("sla.", () => true, onDrop);
    const added = addMany(queue, 12, 50 * 1024);
    expect(ids(queue)).toEqual(added.slice(2));
    expect(dropped.length).toBe(2);
  });

  it("keeps an event for 30 days", () => {
    const queue = createStoredQueue("sla.", () => true, onDrop);
    const added = addMany(queue, 1);
    vi.setSystemTime(Date.now() + 30 * DAY_MS);
    expect(ids(queue)).toEqual(added);
    vi.setSystemTime(Date.now() + 1);
    expect(ids(queue)).toEqual([]);
    expect(dropped).toEqual([[added[0], "expired"]]);
  });

  it("leaves the host's entries alone", () => {
    storage["cart"] = "3 shoes";
    const queue = createStoredQueue("sla.", () => true, onDrop);
    addMany(queue, 1001);
    queue.clear();
    expect(storage).toEqual({ cart: "3 shoes" });
  });

  it("uses memory where the storage is refused", () => {
    vi.stubGlobal("localStorage", undefined);
    const queue = createStoredQueue("sla.", () => true, onDrop);
    const added = addMany(queue, 3);
    expect(ids(queue)).toEqual(added);
    queue.remove(queue.peek(1)[0]![0]);
    expect(ids(queue)).toEqual(added.slice(1));
  });

  it("uses memory while the storage is full, in the order of time", () => {
    let full = false;
    const limited = new Proxy(storage, {
      set(target, key, value: string) {
        if (full) throw new DOMException("full", "QuotaExceededError");
        target[key as string] = value;
        return true;
      },
    });
    vi.stubGlobal("localStorage", limited);
    const queue = createStoredQueue("sla.", () => true, onDrop);
    const first = addMany(queue, 1);
    full = true;
    const second = addMany(queue, 1);
    full = false;
    const third = addMany(queue, 1);
    expect(ids(queue)).toEqual([...first, ...second, ...third]);
    for (const [key] of queue.peek(3)) queue.remove(key);
    expect(ids(queue)).toEqual([]);
  });

  it("stores nothing before consent, moves events when it is granted, and deletes everything when it is denied", () => {
    let granted = false;
    const queue = createStoredQueue("sla.", () => granted, onDrop);
    const added = addMany(queue, 2);
    expect(storage).toEqual({});
    expect(ids(queue)).toEqual([]);
    granted = true;
    queue.move();
    expect(ids(queue)).toEqual(added);
    expect(Object.keys(storage).length).toBe(2);
    granted = false;
    queue.clear();
    expect(storage).toEqual({});
    expect(dropped).toEqual(added.map((id) => [id, "consent_denied"]));
  });
});

describe("sessions", () => {
  const MINUTE_MS = 60_000;

  it("go on in another tab, however long that tab was idle", () => {
    const session = touchSession(storage, "s");
    for (let minute = 0; minute < 120; minute += 29) {
      vi.setSystemTime(Date.now() + 29 * MINUTE_MS);
      expect(touchSession(storage, "s")).toBe(session);
    }
  });

  it("end after 30 minutes without an event", () => {
    const session = touchSession(storage, "s");
    vi.setSystemTime(Date.now() + 30 * MINUTE_MS - 1);
    expect(touchSession(storage, "s")).toBe(session);
    vi.setSystemTime(Date.now() + 30 * MINUTE_MS);
    expect(touchSession(storage, "s")).not.toBe(session);
  });

  it("end after 24 hours", () => {
    const session = touchSession(storage, "s");
    const endsAt = Date.now() + DAY_MS;
    for (; Date.now() < endsAt; vi.setSystemTime(Date.now() + 20 * MINUTE_MS))
      expect(touchSession(storage, "s")).toBe(session);
    expect(touchSession(storage, "s")).not.toBe(session);
  });

  it.each(["", "nonsense", "a b c", "a 1", '{"id":"x"}'])("begin where %j is stored", (value) => {
    storage["s"] = value;
    const session = touchSession(storage, "s");
    expect(session).toMatch(/^[0-9a-f-]{36}$/);
    expect(touchSession(storage, "s")).toBe(session);
  });
});
