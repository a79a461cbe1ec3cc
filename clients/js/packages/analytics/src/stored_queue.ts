import { ID_LENGTH, timeOfId } from "./event.js";
import { notify, type DropReason, type OnDrop } from "./outcome.js";
import type { Entry, Queue } from "./queue.js";

/** The most events in the queue of a page. */
const MAX_EVENTS = 1000;
/** The most bytes of JSON in it: a tenth of what a browser grants to all scripts of an origin. */
const MAX_BYTES = 512 * 1024;
/** How long an event waits. */
const MAX_AGE_MS = 30 * 86_400_000;

/** A page's own memory or its `localStorage`, which both hold strings as properties. */
export type Place = Record<string, string>;

/** Find the storage of this origin; undefined in a worker and where the user or the browser refuses it. */
export const findStorage = (): Place | undefined => {
  try {
    const storage = localStorage as unknown as Place;
    storage["sla?"] = "";
    delete storage["sla?"];
    return storage;
  } catch {
    return undefined;
  }
};

/** The queue of a page, and what else a page stores. */
export interface StoredQueue extends Queue {
  /** Where the page may store something now. */
  place(): Place;
  /** Move events from memory to the storage after consent was granted. */
  move(): void;
  /** Delete everything after consent was denied. */
  clear(): void;
}

/**
 * Make a queue of which each event is an entry of its own, so that tabs never overwrite each other's events.
 *
 * A key is the prefix, the event's id, and its size: bounds are checked without reading events.
 *
 * @param granted - says whether events may be stored and sent; until then they stay in memory.
 * @param onDrop - is called for events that are dropped: the oldest ones, and those that are 30 days old.
 */
export const createStoredQueue = (prefix: string, granted: () => boolean, onDrop?: OnDrop): StoredQueue => {
  const memory: Place = {};
  const storage = findStorage();
  const queuePrefix = `${prefix}q.`;
  const idOf = (key: string): string => key.slice(queuePrefix.length, queuePrefix.length + ID_LENGTH);
  const bytesOf = (key: string): number => Number(key.slice(queuePrefix.length + ID_LENGTH + 1));
  const place = (): Place => (granted() ? storage : undefined) ?? memory;
  const put = (key: string, value: string): void => {
    try {
      place()[key] = value;
    } catch {
      memory[key] = value; // The quota of the origin is used up.
    }
  };
  const remove = (key: string): void => {
    for (const each of [memory, place()]) delete each[key];
  };
  const list = (from: string, ...places: Place[]): string[] =>
    [...new Set(places.flatMap(Object.keys))].filter((key) => key.startsWith(from)).sort();
  const drop = (key: string, reason: DropReason): void => {
    remove(key);
    notify(onDrop, idOf(key), reason);
  };
  /** The keys within the bounds, oldest first; the others are dropped. */
  const keys = (): string[] => {
    const found = list(queuePrefix, memory, place());
    let bytes = 0;
    let first = found.length;
    while (first && found.length - first < MAX_EVENTS && (bytes += bytesOf(found[first - 1]!)) <= MAX_BYTES) first--;
    return found.filter((key, index) => {
      const expired = timeOfId(idOf(key)) < Date.now() - MAX_AGE_MS;
      if (index < first || expired) drop(key, expired ? "expired" : "queue_full");
      else return true;
      return false;
    });
  };
  return {
    place,
    remove,
    add(eventId, json, bytes) {
      put(`${queuePrefix}${eventId}.${String(bytes)}`, json);
      keys();
    },
    peek: (count) =>
      granted()
        ? keys()
            .slice(0, count)
            .flatMap((key): Entry[] => {
              const json = memory[key] ?? place()[key];
              return json ? [[key, idOf(key), json, bytesOf(key)]] : []; // Another tab may have removed it.
            })
        : [],
    move() {
      for (const [key, value] of Object.entries(memory)) {
        delete memory[key];
        put(key, value);
      }
    },
    clear() {
      for (const each of [memory, storage ?? memory]) {
        for (const key of list(prefix, each)) {
          delete each[key];
          if (key.startsWith(queuePrefix)) notify(onDrop, idOf(key), "consent_denied");
        }
      }
    },
  };
};
