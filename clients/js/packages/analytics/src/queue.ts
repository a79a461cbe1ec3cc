import { notify, type OnDrop } from "./outcome.js";

/** A queued event: the key that removes it, its id, its JSON without `sentAt`, and the length of that in UTF-8. */
export type Entry = readonly [key: string, eventId: string, json: string, bytes: number];

/** Events that wait for their acknowledgement, oldest first. */
export interface Queue {
  add(eventId: string, json: string, bytes: number): void;
  /** The oldest `count` events; they stay queued. */
  peek(count: number): Entry[];
  remove(key: string): void;
}

/**
 * Make a queue in memory. If it is full, its oldest events are dropped.
 *
 * @param maxEvents - the most events that it holds.
 * @param maxBytes - the most bytes of JSON that it holds.
 */
export const createMemoryQueue = (maxEvents: number, maxBytes: number, onDrop?: OnDrop): Queue & { size(): number } => {
  const events = new Map<string, { json: string; bytes: number }>();
  let total = 0;
  const remove = (key: string): void => {
    total -= events.get(key)?.bytes ?? 0;
    events.delete(key);
  };
  return {
    size: () => events.size,
    remove,
    add(eventId, json, bytes) {
      events.set(eventId, { json, bytes });
      total += bytes;
      for (const oldest of events.keys()) {
        if (events.size <= maxEvents && total <= maxBytes) break;
        remove(oldest);
        notify(onDrop, oldest, "queue_full");
      }
    },
    peek(count) {
      const entries: Entry[] = [];
      for (const [eventId, { json, bytes }] of events) {
        if (entries.length >= count) break;
        entries.push([eventId, eventId, json, bytes]);
      }
      return entries;
    },
  };
};
