// Written by `make gen` from the .proto files: change those.

/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A user viewed content. */
export interface ViewData {
  /** The type of the content. */
  contentType: "post" | "product" | "shop" | "stream" | "profile" | (string & {});
  /** The content's id. */
  contentId: string;
  /** How long the content was visible (dwell time). In s. 0 to 86,400. */
  viewDuration?: number | undefined;
  /** How far the content was scrolled: 0 is the top, 1 the end. 0 to 1. */
  scrollDepth?: number | undefined;
  /** What led to the content, for example "feed". */
  referrer?: string | undefined;
}

/** A user reacted to something. */
export interface EngagementData {
  /** The user's action. */
  action: "like" | "unlike" | "share" | "comment" | "follow" | "unfollow" | "save" | (string & {});
  /** The type of the target. */
  targetType: "post" | "product" | "shop" | "stream" | "user" | (string & {});
  /** The id of the target. */
  targetId: string;
  /** Additional data. */
  metadata?: Readonly<Record<string, Json>> | undefined;
}

/** A user bought something. */
export interface PurchaseData {
  /** The product's id. */
  productId: string;
  /** The order's id. */
  orderId: string;
  /** The total amount paid, in units of the currency. It is stored as the decimal that the number prints as: 29.99 is stored as exactly 29.99. 0 to 1,000,000,000,000. */
  amount: number;
  /** The currency of the amount. Default: the client's `defaultCurrency`. */
  currency?: string | undefined;
  /** The quantity bought. 1 to 1,000,000. */
  quantity?: number | undefined;
  /** The payment method. */
  paymentMethod?: "wallet" | "card" | "cash" | (string & {}) | undefined;
  /** The steps that led to the purchase, in order. */
  conversionPath?: readonly string[] | undefined;
  /** Additional data. */
  metadata?: Readonly<Record<string, Json>> | undefined;
}

/** An action in a live stream. */
export interface StreamData {
  /** The live stream's id. */
  streamId: string;
  /** The action. */
  action: "start" | "join" | "leave" | "end" | "chat" | "reaction" | "gift" | (string & {});
  /** How long the viewer has watched. In s. 0 to 604,800. */
  watchDuration?: number | undefined;
  /** The current number of viewers. */
  viewerCount?: number | undefined;
  /** The video quality, for example "1080p". */
  quality?: string | undefined;
  /** The bit rate. In kbps. */
  bitrateKbps?: number | undefined;
  /** Additional data. */
  metadata?: Readonly<Record<string, Json>> | undefined;
}

/** A session started, continued or ended. */
export interface SessionData {
  /** The action. */
  action: "start" | "heartbeat" | "end";
  /** How long the session has lasted. In s. 0 to 604,800. */
  duration?: number | undefined;
  /** The entry point of the session, for example "push" or "deep_link". */
  entryPoint?: string | undefined;
  /** Additional data. */
  metadata?: Readonly<Record<string, Json>> | undefined;
}

/** The device that sent the event. */
export interface Device {
  /** Its kind, for example "phone". */
  type?: "phone" | "tablet" | "desktop" | "tv" | (string & {}) | undefined;
  /** Its model, for example "Pixel 9". */
  model?: string | undefined;
  /** Its operating system, for example "Android". */
  os?: string | undefined;
  /** The operating system's version. */
  osVersion?: string | undefined;
  /** The app's version. */
  appVersion?: string | undefined;
  /** The language and region, BCP 47 ("en-GB"). */
  locale?: string | undefined;
}

/** The fields that all events share, beside those that the client sets. */
export interface Envelope {
  /** The signed-in user. */
  userId?: string | undefined;
  /** The client's session. */
  sessionId?: string | undefined;
  /** Where the client runs, for example "mobile" or "web". */
  platform?: "mobile" | "web" | "ios" | "android" | "server" | (string & {}) | undefined;
  /** The client's user agent string. */
  userAgent?: string | undefined;
  /** The client's address. Input only: the service stores a keyed hash of it and never returns it. */
  ipAddress?: string | undefined;
  /** The device. */
  device?: Device | undefined;
}

/** The data of each event type. */
export interface EventData {
  view: ViewData;
  engagement: EngagementData;
  purchase: PurchaseData;
  stream: StreamData;
  session: SessionData;
}

/** The name of an event type. */
export type EventType = keyof EventData;

/** The newest version of each type, and the name of the field that `defaultCurrency` fills. */
export const SCHEMAS: { readonly [T in EventType]: readonly [version: string, currency?: string] } = {
  view: ["1.1.0"],
  engagement: ["1.1.0"],
  purchase: ["1.1.0", "currency"],
  stream: ["1.1.0"],
  session: ["1.1.0"],
};
