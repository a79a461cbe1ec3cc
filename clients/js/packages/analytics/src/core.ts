/** What the clients for browsers and for Node share: events, their queue in memory, and the sender. */
export * from "./events.gen.js";
export { freeze, MAX_EVENT_BYTES, type FrozenEvent, type TrackOptions } from "./event.js";
export { createMemoryQueue, type Entry, type Queue } from "./queue.js";
export { createSender, type Sender, type SenderOptions } from "./sender.js";
export { notify, type DropReason, type OnDrop, type OnReject, type Rejection, type Violation } from "./outcome.js";
