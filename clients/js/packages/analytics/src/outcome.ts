/** What becomes of events that are not stored, and how the host learns of it. */

/** Why a client gave an event up. */
export type DropReason =
  /** The queue was full, and this was its oldest event. */
  | "queue_full"
  /** The event waited for 30 days. */
  | "expired"
  /** The event has more than 60,000 bytes, or is not JSON. */
  | "invalid"
  /** Consent was denied. */
  | "consent_denied"
  /** The client was shut down before the service acknowledged the event. */
  | "shut_down";

/** A rule that a rejected event breaks. */
export interface Violation {
  field: string;
  rule: string;
  description: string;
}

/** An event that the service refused. Sending it again cannot succeed. */
export interface Rejection {
  eventId: string;
  /** A reason of docs/errors.md, for example "INVALID_EVENT". */
  reason: string;
  violations?: readonly Violation[] | undefined;
}

/** Called for each event that was accepted by `track()` and is given up. */
export type OnDrop = (eventId: string, reason: DropReason) => void;

/** Called for each event that the service refused. */
export type OnReject = (rejection: Rejection) => void;

/** Call the host's function; an exception of it must not stop the client. */
export const notify = <A extends unknown[]>(callback: ((...args: A) => void) | undefined, ...args: A): void => {
  try {
    callback?.(...args);
  } catch (error) {
    console.error(error);
  }
};
