import { describe, expectTypeOf, it } from "vitest";
import { Analytics, AnalyticsHelper } from "@sociallive/analytics-node";

// `tsc` compiles this file: a line without an expected error is one.
const neverRun = (analytics: Analytics): void => {
  analytics.track("view", { contentType: "anything", contentId: "p" });
  analytics.track("purchase", { productId: "p", orderId: "o", amount: 1 });
  // @ts-expect-error - there is no such type
  analytics.track("viev", { contentType: "post", contentId: "p" });
  // @ts-expect-error - contentId is required
  analytics.track("view", { contentType: "post" });
  // @ts-expect-error - there is no such field
  analytics.track("view", { contentType: "post", contentId: "p", contentTipe: "x" });
  // @ts-expect-error - the actions of sessions are few
  analytics.track("session", { action: "pause" });
  // @ts-expect-error - an amount is a number
  AnalyticsHelper.trackPurchase("user-1", { productId: "p", orderId: "o", amount: "1" });
  // @ts-expect-error - the client sets the id
  analytics.track("session", { action: "start" }, { eventId: "mine" });
};

describe("the types", () => {
  it("know every event type", () => {
    expectTypeOf(neverRun).toBeFunction();
    expectTypeOf(AnalyticsHelper.trackView).parameter(0).toBeString();
    expectTypeOf(AnalyticsHelper.trackView).returns.toEqualTypeOf<string | undefined>();
    expectTypeOf<Parameters<typeof AnalyticsHelper.trackSession>[1]>().toEqualTypeOf<"start" | "heartbeat" | "end">();
  });
});
