import { Analytics, type Options } from "./client.js";
import { makeHelper } from "./helper.gen.js";

export { Analytics, type Options } from "./client.js";
export type * from "@sociallive/analytics/core";

let shared: Analytics | undefined;
const client = (): Analytics => (shared ??= new Analytics());

/** One client for the whole process, which the first call makes. */
export const AnalyticsHelper = {
  ...makeHelper((userId, type, data) => client().track(type, data, { userId })),

  /** Set options, before the first event; without this call, the environment decides. */
  initialize(options: Options = {}): Analytics {
    if (shared) throw new Error("AnalyticsHelper has been initialized: call shutdown() first");
    return (shared = new Analytics(options));
  },

  /** Send now. Resolves to the number of events that are left. */
  flush: (timeoutMs?: number): Promise<number> => client().flush(timeoutMs),

  /** Send what waits, then accept no more events until `initialize()`. */
  async shutdown(timeoutMs?: number): Promise<void> {
    const stopping = shared?.shutdown(timeoutMs);
    shared = undefined;
    await stopping;
  },
};
