import { createDwell } from "./dwell.js";
import { freeze } from "./event.js";
import type { Envelope, EventData, EventType } from "./events.gen.js";
import { notify, type OnDrop, type OnReject } from "./outcome.js";
import { createSender, MAX_BATCH, writeBody } from "./sender.js";
import { touchSession } from "./session.js";
import { createStoredQueue } from "./stored_queue.js";

export type * from "./events.gen.js";
export type * from "./outcome.js";

/** Events are sent when there are this many new ones. */
const BATCH_SIZE = 10;
/** Fewer events wait this long, in milliseconds. */
const INTERVAL_MS = 5000;
/** The most bytes of a beacon: browsers refuse 65,536 over all open ones. */
const MAX_BEACON_BYTES = 60_000;
/** What `sentAt` and a comma add to an event in a body. */
const SENT_AT_BYTES = 38;

/** `granted`: events are stored and sent. `pending`: they stay in memory. `denied`: there are none. */
export type Consent = "granted" | "pending" | "denied";

/** Settings of a client; all are optional. */
export interface Options {
  /** Where the service is, without a slash at the end. Default: `/api` of this origin. */
  endpoint?: string;
  /** A public key of the service. */
  key?: string;
  /** Default: `granted`. */
  consent?: Consent;
  /** The currency of purchases that name none. Default: USD. */
  defaultCurrency?: string;
  /** The signed-in user, as `identify` sets it. */
  userId?: string;
  /** Default: `web`. */
  platform?: string;
  /** Begins the keys in `localStorage`; two clients of one origin need different ones. Default: `sla.` */
  storagePrefix?: string;
  onDrop?: OnDrop;
  onReject?: OnReject;
}

/** Tracks events of this page. */
export interface Analytics {
  /** Accept an event. Returns its id, or undefined if it is refused; `onDrop` says why. */
  track: <T extends EventType>(type: T, data: EventData[T], envelope?: Envelope) => string | undefined;
  /** Set the signed-in user of the events that follow; undefined: nobody. */
  identify: (userId?: string) => void;
  /** Begin to measure how long content is visible on a page that has the focus. */
  startDwellTracking: (contentType: string, contentId: string) => void;
  /** Track a view with the measured time. Closing the page does it, too. */
  stopDwellTracking: (contentType: string, contentId: string) => void;
  /** Grant or deny consent. A denial deletes everything that is stored. */
  setConsent: (consent: Consent) => void;
  /** Send now. Resolves to the number of events that are left to be sent, at most 100. */
  flush: (timeoutMs?: number) => Promise<number>;
}

/** Make the client of this page, or of this worker. */
export const initialize = ({
  endpoint = "/api",
  key,
  consent = "granted",
  defaultCurrency = "USD",
  userId,
  platform = "web",
  storagePrefix = "sla.",
  onDrop,
  onReject,
}: Options = {}): Analytics => {
  const url = `${endpoint}/analytics/events/batch${key ? `?key=${key}` : ""}`;
  const page = globalThis.document as Document | undefined;
  const queue = createStoredQueue(storagePrefix, () => consent === "granted", onDrop);
  const sender = createSender({
    url,
    queue,
    batchSize: BATCH_SIZE,
    intervalMs: INTERVAL_MS,
    onReject,
    // Without HTTPS, there are no locks. Then two tabs may send the same event, which the service stores once.
    exclusively: async (send) => {
      const locks = navigator.locks as LockManager | undefined;
      await (locks ? locks.request(storagePrefix, send).catch(send) : send());
    },
  });

  const track: Analytics["track"] = (type, data, envelope) => {
    if (consent === "denied") return undefined;
    const context = {
      userId,
      sessionId: touchSession(queue.place(), `${storagePrefix}s`),
      platform,
      userAgent: globalThis.navigator.userAgent,
    };
    const { eventId, json, bytes } = freeze(type, data, { ...context, ...envelope }, defaultCurrency);
    if (!json) {
      notify(onDrop, eventId, "invalid");
      return undefined;
    }
    queue.add(eventId, json, bytes);
    sender.added();
    return eventId;
  };

  const dwell = createDwell(page, (contentType, contentId, viewDuration) =>
    track("view", { contentType, contentId, viewDuration }),
  );

  /** The last event that left in a beacon. It stays queued, because a beacon has no answer, but leaves in no other. */
  let beaconed = "";
  const sendBeacon = (): void => {
    let bytes = 0;
    const batch = queue
      .peek(Infinity)
      .filter(([, eventId]) => eventId > beaconed)
      .filter(([, , , size], index) => index < MAX_BATCH && (bytes += size + SENT_AT_BYTES) < MAX_BEACON_BYTES);
    const last = batch.at(-1);
    if (last && navigator.sendBeacon(url, writeBody(batch))) beaconed = last[1];
  };

  const setConsent = (next: Consent): void => {
    consent = next;
    if (next === "granted") queue.move();
    if (next === "denied") queue.clear();
    if (queue.peek(1).length) sender.added();
  };

  if (page) {
    addEventListener("visibilitychange", () => {
      if (page.visibilityState === "hidden") sendBeacon();
    });
    addEventListener("pagehide", () => {
      dwell.stopAll();
      sendBeacon();
    });
  }
  setConsent(consent);

  return {
    track,
    identify(id) {
      userId = id;
    },
    startDwellTracking: dwell.start,
    stopDwellTracking: dwell.stop,
    setConsent,
    flush: sender.flush,
  };
};
