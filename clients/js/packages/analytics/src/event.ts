import { SCHEMAS, type Envelope, type EventData, type EventType } from "./events.gen.js";

/** The largest event, in bytes of JSON. It fits into a beacon with room for `sentAt` and the list around it. */
export const MAX_EVENT_BYTES = 59_900;

/** Fields of the envelope of one event. */
export type TrackOptions = Envelope;

/** An event as it is sent, but for `sentAt`. */
export interface FrozenEvent {
  eventId: string;
  /** Its JSON, or undefined if it has none or too many bytes. */
  json: string | undefined;
  /** The length of `json` in UTF-8. */
  bytes: number;
}

let sequence = 0;

/** The length of an id. */
export const ID_LENGTH = 36;

/** Read when an id was made, in milliseconds since 1970. */
export const timeOfId = (id: string): number => parseInt(id.replace("-", "").slice(0, 12), 16);

/**
 * Make a UUIDv7 for a time in milliseconds since 1970. Ids sort by time, and those of one millisecond by the sequence.
 * `crypto.randomUUID` needs HTTPS; this does not.
 */
export const makeId = (nowMs: number): string => {
  const time = nowMs.toString(16).padStart(12, "0");
  const counter = (sequence & 0xfff).toString(16).padStart(3, "0");
  const random = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => (byte + 256).toString(16).slice(1));
  const tail = random.join("").slice(1);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-8${tail.slice(0, 3)}-${tail.slice(3)}`;
};

/**
 * Freeze an event with its id, timestamp, sequence and schema version, so that every attempt sends the same event.
 *
 * @param defaultCurrency - fills the currency that a payload leaves out.
 */
export const freeze = <T extends EventType>(
  eventType: T,
  data: EventData[T],
  envelope: Envelope,
  defaultCurrency: string,
): FrozenEvent => {
  const nowMs = Date.now();
  const eventId = makeId(nowMs);
  // A caller without types may name a type that this version does not know: the service decides.
  const [schemaVersion, currency] = (SCHEMAS[eventType] as (typeof SCHEMAS)[EventType] | undefined) ?? [];
  let json: string | undefined;
  let bytes = 0;
  try {
    json = JSON.stringify({
      eventId,
      eventType,
      schemaVersion,
      timestamp: new Date(nowMs).toISOString(),
      sequence: sequence++,
      ...envelope,
      data: currency ? { ...data, [currency]: data[currency as keyof EventData[T]] ?? defaultCurrency } : data,
    });
    bytes = new TextEncoder().encode(json).length;
    if (bytes > MAX_EVENT_BYTES) json = undefined;
  } catch {
    // A cycle or a BigInt: there is no JSON of it.
  }
  return { eventId, json, bytes };
};
