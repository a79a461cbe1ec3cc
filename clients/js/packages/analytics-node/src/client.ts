import {
  createMemoryQueue,
  createSender,
  freeze,
  notify,
  type Envelope,
  type EventData,
  type EventType,
  type OnDrop,
  type OnReject,
} from "@sociallive/analytics/core";

/** The default address of the service. */
const ENDPOINT = "http://localhost:3006";
/** Events are sent when there are this many new ones. */
const BATCH_SIZE = 100;
/** Fewer events wait this long, in milliseconds. */
const INTERVAL_MS = 1000;
/** The most events in the queue: some minutes of a busy service. */
const MAX_EVENTS = 10_000;
/** The most bytes of JSON in the queue. */
const MAX_BYTES = 32 * 1024 * 1024;
/** How long `shutdown` sends, in milliseconds. Orchestrators kill a process some 10 s after SIGTERM. */
const SHUTDOWN_MS = 5000;
/** How long a process that ends without `shutdown` sends, in milliseconds. */
const EXIT_MS = 2000;

/** Settings of a client; all are optional. */
export interface Options {
  /** Where the service is, without a slash at the end. Default: `ANALYTICS_ENDPOINT`, or http://localhost:3006. */
  endpoint?: string | undefined;
  /** A key of the service. Default: `ANALYTICS_KEY`. */
  key?: string | undefined;
  /** The currency of purchases that name none. Default: USD. */
  defaultCurrency?: string | undefined;
  /** Default: `server`. */
  platform?: string | undefined;
  onDrop?: OnDrop | undefined;
  onReject?: OnReject | undefined;
}

/** Tracks events of a service. Events wait in memory: call `shutdown` before the process ends. */
export class Analytics {
  readonly #defaultCurrency: string;
  readonly #platform: string;
  readonly #onDrop: OnDrop | undefined;
  readonly #queue;
  readonly #sender;
  readonly #atExit = (): void => void this.shutdown(EXIT_MS);
  #stopping: Promise<void> | undefined;

  constructor({
    endpoint = process.env["ANALYTICS_ENDPOINT"] ?? ENDPOINT,
    key = process.env["ANALYTICS_KEY"],
    defaultCurrency = "USD",
    platform = "server",
    onDrop,
    onReject,
  }: Options = {}) {
    this.#defaultCurrency = defaultCurrency;
    this.#platform = platform;
    this.#onDrop = onDrop;
    this.#queue = createMemoryQueue(MAX_EVENTS, MAX_BYTES, onDrop);
    this.#sender = createSender({
      url: `${endpoint}/analytics/events/batch`,
      headers: { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) },
      queue: this.#queue,
      batchSize: BATCH_SIZE,
      intervalMs: INTERVAL_MS,
      onReject,
      startTimer: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
    });
    process.on("beforeExit", this.#atExit);
  }

  /** Accept an event. Returns its id, or undefined if it is refused; `onDrop` says why. */
  track<T extends EventType>(type: T, data: EventData[T], envelope: Envelope = {}): string | undefined {
    const event = freeze(type, data, { platform: this.#platform, ...envelope }, this.#defaultCurrency);
    const { eventId, json, bytes } = event;
    if (json === undefined || this.#stopping) {
      notify(this.#onDrop, eventId, json === undefined ? "invalid" : "shut_down");
      return undefined;
    }
    this.#queue.add(eventId, json, bytes);
    this.#sender.added();
    return eventId;
  }

  /** The number of events that wait for their acknowledgement. */
  get pending(): number {
    return this.#queue.size();
  }

  /** Send now. Resolves to the number of events that are left. */
  async flush(timeoutMs?: number): Promise<number> {
    await this.#sender.flush(timeoutMs);
    return this.pending;
  }

  /** Accept no more events, send those that wait, and say in one line how many are lost. */
  shutdown(timeoutMs = SHUTDOWN_MS): Promise<void> {
    return (this.#stopping ??= this.#stop(timeoutMs));
  }

  async #stop(timeoutMs: number): Promise<void> {
    process.off("beforeExit", this.#atExit);
    const left = await this.flush(timeoutMs);
    this.#sender.stop();
    if (!left) return;
    console.warn(`analytics: ${String(left)} events were not acknowledged within ${String(timeoutMs)} ms and are lost`);
    for (const [key, eventId] of this.#queue.peek(left)) {
      this.#queue.remove(key);
      notify(this.#onDrop, eventId, "shut_down");
    }
  }
}
