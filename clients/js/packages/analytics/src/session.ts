import { makeId } from "./event.js";
import type { Place } from "./stored_queue.js";

/** A session ends after this time without an event. */
const MAX_IDLE_MS = 30 * 60_000;
/** A session ends at this age. */
const MAX_SESSION_MS = 24 * 3_600_000;

/**
 * Find the session of an event that happens now, or begin one.
 *
 * @param place - is shared by all tabs, so that a tab that was idle goes on with the session of the others.
 */
export const touchSession = (place: Place, key: string): string => {
  const nowMs = Date.now();
  // Of another version of this client, or of another script, anything may be stored.
  let [id, startMs, lastMs] = (place[key] ?? "").split(" ") as [string, ...(string | undefined)[]];
  // Written so that a missing or a broken time begins a session.
  if (!(nowMs - Number(lastMs) < MAX_IDLE_MS && nowMs - Number(startMs) < MAX_SESSION_MS)) {
    id = makeId(nowMs);
    startMs = String(nowMs);
  }
  lastMs = String(nowMs);
  try {
    place[key] = [id, startMs, lastMs].join(" ");
  } catch {
    // The quota of the origin is used up: this tab goes on with what is stored.
  }
  return id;
};
