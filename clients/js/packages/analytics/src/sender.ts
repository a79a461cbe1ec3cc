import { notify, type OnReject, type Rejection } from "./outcome.js";
import type { Entry, Queue } from "./queue.js";

/** The most events of a request. */
export const MAX_BATCH = 100;
const FIRST_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 60_000;
/** A longer `retry-after` is a mistake of a proxy. A timer of more than 24 days would fire at once. */
const MAX_RETRY_AFTER_S = 3600;
/** Longer than the service needs for a batch while Postgres fails over; shorter than the gateway's 60 s. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Statuses that say that the content is at fault: smaller batches find the event. */
const CONTENT_STATUSES = [400, 409, 413, 422];

/** What a sender needs. */
export interface SenderOptions {
  /** Where batches are posted. */
  url: string;
  headers?: Readonly<Record<string, string>>;
  queue: Queue;
  /** How many new events are sent at once. */
  batchSize: number;
  /** How long fewer events wait, in milliseconds. */
  intervalMs: number;
  /** Runs the function while nobody else sends from the same queue. */
  exclusively?: (send: () => Promise<void>) => Promise<void>;
  onReject?: OnReject | undefined;
  /** Makes a timer; Node's must not keep the process alive. */
  startTimer?: (callback: () => void, delayMs: number) => unknown;
}

/** Sends the events of a queue. */
export interface Sender {
  /** Say that one event was added. */
  added: () => void;
  /** Send now, also during a backoff. Resolves to the number of events left, at most `MAX_BATCH`. */
  flush: (timeoutMs?: number) => Promise<number>;
  /** Send nothing any more. */
  stop: () => void;
}

interface Answer {
  received?: string;
  rejections?: { index?: string; reason: string; violations?: Rejection["violations"] }[];
  reason?: string;
  violations?: Rejection["violations"];
}

/** Write the body of a batch. `sentAt` is the only field that differs between attempts. */
export const writeBody = (batch: readonly Entry[]): string => {
  const sentAt = `,"sentAt":"${new Date().toISOString()}"}`;
  return `{"events":[${batch.map(([, , json]) => json.slice(0, -1) + sentAt).join()}]}`;
};

/** Make a sender. It sends one batch at a time and removes events once the service has acknowledged or refused them. */
export const createSender = ({
  url,
  headers = {},
  queue,
  batchSize,
  intervalMs,
  exclusively = (send) => send(),
  onReject,
  startTimer = setTimeout,
}: SenderOptions): Sender => {
  let limit = MAX_BATCH;
  let fresh = 0;
  let waiting = false;
  let stopped = false;
  let sending: Promise<void> | undefined;
  let wake: (() => void) | undefined;

  const pause = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      startTimer(resolve, delayMs);
    });

  const settle = (batch: readonly Entry[], answer: Answer): void => {
    for (const [key] of batch) queue.remove(key);
    for (const { index = 0, reason, violations } of answer.rejections ?? []) {
      const entry = batch[+index];
      if (entry) notify(onReject, { eventId: entry[1], reason, violations });
    }
  };

  const sendAll = async (): Promise<void> => {
    let failures = 0;
    while (!stopped) {
      fresh = 0;
      const batch = queue.peek(limit);
      if (!batch.length) break;
      let status = 0;
      let retryAfter = 0;
      let answer: Answer = {};
      try {
        const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
        // A string is sent as text/plain, so that a page of another origin needs no preflight.
        const response = await fetch(url, { method: "POST", headers, body: writeBody(batch), signal });
        status = response.status;
        retryAfter = Math.min(Number(response.headers.get("retry-after")) || 0, MAX_RETRY_AFTER_S);
        answer = (await response.json()) as Answer;
      } catch {
        // No answer, or not one of the service.
      }
      // A captive portal says 200, too.
      if (Number(answer.received) === batch.length) {
        settle(batch, answer);
        failures = 0;
        limit = Math.min(limit * 2, MAX_BATCH);
      } else if (!CONTENT_STATUSES.includes(status)) {
        const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** failures++, MAX_BACKOFF_MS);
        await pause(retryAfter * 1000 + Math.random() * backoffMs);
      } else if (batch.length > 1) {
        limit = batch.length >> 1;
      } else {
        const { reason = `HTTP_${String(status)}`, violations } = answer;
        settle(batch, { rejections: [{ reason, violations }] });
      }
    }
  };

  const send = (): Promise<void> =>
    (sending ??= exclusively(sendAll)
      .catch((error: unknown) => {
        console.error(error);
      })
      .then(() => {
        sending = undefined;
        if (fresh) wait();
      }));

  const wait = (): void => {
    if (waiting || stopped) return;
    waiting = true;
    startTimer(() => {
      waiting = false;
      void send();
    }, intervalMs);
  };

  return {
    added() {
      if (++fresh < batchSize) wait();
      else void send();
    },
    async flush(timeoutMs = 10_000) {
      let late = false;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const drain = async (): Promise<void> => {
        while (!late && !stopped && queue.peek(1).length) {
          wake?.();
          await send();
        }
      };
      const timeout = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs);
      });
      await Promise.race([drain(), timeout]);
      late = true;
      clearTimeout(timer);
      return queue.peek(MAX_BATCH).length;
    },
    stop() {
      stopped = true;
      wake?.();
    },
  };
};
