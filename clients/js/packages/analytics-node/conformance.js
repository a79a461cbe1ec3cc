import { Analytics } from "@sociallive/analytics-node";
import { CLOSE_MS, readArguments, reports, serve } from "../../conformance/protocol.js";

/** A little less than the queue holds. */
const CAPACITY = 9_900;

const analytics = new Analytics({ endpoint: readArguments().endpoint, ...reports });
await serve(
  {
    track: ({ type, data, userId }) => analytics.track(type, data, { userId }),
    flush: (timeoutMs) => analytics.flush(timeoutMs),
    pending: () => analytics.pending,
    close: () => analytics.shutdown(CLOSE_MS),
  },
  CAPACITY,
);
