/** How long the content on a page had the user's attention: the page was visible and had the focus. */
export interface Dwell {
  start: (contentType: string, contentId: string) => void;
  stop: (contentType: string, contentId: string) => void;
  /** Stop all that were started. */
  stopAll: () => void;
}

/** The longest `viewDuration` that the service accepts. */
const MAX_SECONDS = 86_400;

const keyOf = (...content: string[]): string => content.join("\n");

/**
 * Make the dwell timers of a page.
 *
 * @param page - is undefined in a worker, where nothing is visible.
 * @param onStop - gets the seconds of attention since the start.
 */
export const createDwell = (
  page: Document | undefined,
  onStop: (contentType: string, contentId: string, seconds: number) => void,
): Dwell => {
  const started = new Map<string, [contentType: string, contentId: string, atMs: number]>();
  let totalMs = 0;
  let sinceMs: number | undefined;
  /** Read the attention since the page was opened, in milliseconds, and note whether it goes on. */
  const attention = (): number => {
    const nowMs = performance.now();
    if (sinceMs !== undefined) totalMs += nowMs - sinceMs;
    sinceMs = page?.visibilityState === "visible" && page.hasFocus() ? nowMs : undefined;
    return totalMs;
  };
  if (page) for (const type of ["focus", "blur", "visibilitychange"]) addEventListener(type, attention);
  const stop = (contentType: string, contentId: string): void => {
    const key = keyOf(contentType, contentId);
    const content = started.get(key);
    started.delete(key);
    if (content) onStop(contentType, contentId, Math.min(Math.round(attention() - content[2]) / 1000, MAX_SECONDS));
  };
  return {
    start(contentType, contentId) {
      started.set(keyOf(contentType, contentId), [contentType, contentId, attention()]);
    },
    stop,
    stopAll() {
      for (const [contentType, contentId] of started.values()) stop(contentType, contentId);
    },
  };
};
