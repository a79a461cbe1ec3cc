// The protocol of the conformance kit: operations are lines of JSON on stdin, answers are lines of JSON on stdout.
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

/** How long `close` may send, in milliseconds. */
export const CLOSE_MS = 20_000;
/** While a call is held, the client sends this often whatever its backoff is, in milliseconds. */
const HOLD_MS = 5000;

/** Read what the kit passes. */
export const readArguments = () =>
  parseArgs({ options: { endpoint: { type: "string" }, state: { type: "string" } } }).values;

/** Write one answer or report. */
export const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** The callbacks of a client that report to the kit. */
export const reports = {
  onReject: ({ eventId, reason }) => say({ op: "rejected", eventId, reason }),
  onDrop: (eventId, reason) => say({ op: "dropped", eventId, reason }),
};

/**
 * Serve the kit until it closes the adapter.
 *
 * `client` has `track(operation)`, which answers an id or undefined; `flush(timeoutMs)`; `close()`; and `pending()`.
 * Events are held back while `capacity` of them wait, so that a full queue drops none.
 */
export const serve = async (client, capacity) => {
  for await (const line of createInterface({ input: process.stdin })) {
    const operation = JSON.parse(line);
    if (operation.op === "close") break;
    if (operation.op === "flush") {
      await client.flush(operation.timeoutMs);
      say({ op: "flushed", pending: await client.pending() });
      continue;
    }
    while ((await client.pending()) >= capacity) await client.flush(HOLD_MS);
    const eventId = await client.track(operation);
    say(eventId ? { op: "accepted", eventId } : { op: "refused", reason: "the client refused it" });
  }
  await client.close();
  process.exit(0);
};
