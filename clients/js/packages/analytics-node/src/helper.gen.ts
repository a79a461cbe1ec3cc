// Written by `make gen` from the .proto files: change those.

import type { EventData, EventType, ViewData, EngagementData, PurchaseData, StreamData, SessionData } from "@sociallive/analytics/core";

/** Tracks an event of a user; answers its id, or undefined if the event was refused. */
export type TrackFor = <T extends EventType>(userId: string, type: T, data: EventData[T]) => string | undefined;

/** Make one function for each event type. Required strings are arguments; the other fields are an object. */
export const makeHelper = (track: TrackFor) => ({
  /** A user viewed content. */
  trackView: (userId: string, contentType: ViewData["contentType"], contentId: ViewData["contentId"], more?: Omit<ViewData, "contentType" | "contentId">) =>
    track(userId, "view", { ...more, contentType, contentId }),
  /** A user reacted to something. */
  trackEngagement: (userId: string, action: EngagementData["action"], targetType: EngagementData["targetType"], targetId: EngagementData["targetId"], more?: Omit<EngagementData, "action" | "targetType" | "targetId">) =>
    track(userId, "engagement", { ...more, action, targetType, targetId }),
  /** A user bought something. */
  trackPurchase: (userId: string, data: PurchaseData) =>
    track(userId, "purchase", data),
  /** An action in a live stream. */
  trackStream: (userId: string, streamId: StreamData["streamId"], action: StreamData["action"], more?: Omit<StreamData, "streamId" | "action">) =>
    track(userId, "stream", { ...more, streamId, action }),
  /** A session started, continued or ended. */
  trackSession: (userId: string, action: SessionData["action"], more?: Omit<SessionData, "action">) =>
    track(userId, "session", { ...more, action }),
});
