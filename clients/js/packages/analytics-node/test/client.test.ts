import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Analytics, AnalyticsHelper } from "@sociallive/analytics-node";
import { FakeService } from "./service.js";

const view = (contentId: string | number) => ({ contentType: "post", contentId: String(contentId) });
const NOBODY = "http://127.0.0.1:9"; // The port "discard": nobody listens.

let service: FakeService;
let dropped: [string, string][];
const onDrop = (eventId: string, reason: string): void => void dropped.push([eventId, reason]);

beforeEach(async () => {
  dropped = [];
  service = new FakeService();
  await service.open();
});
afterEach(() => {
  service.close();
  vi.unstubAllEnvs();
});

describe("a client", () => {
  it("sends 100 events at once", async () => {
    const analytics = new Analytics({ endpoint: service.endpoint });
    for (let n = 0; n < 100; n++) analytics.track("view", view(n));
    await vi.waitFor(() => {
      expect(service.batches.map((batch) => batch.length)).toEqual([100]);
    }, 10_000);
    await analytics.shutdown();
  });

  it("sends fewer events after a second", async () => {
    const analytics = new Analytics({ endpoint: service.endpoint });
    const startedMs = performance.now();
    analytics.track("view", view(1));
    await vi.waitFor(() => {
      expect(service.events.length).toBe(1);
    }, 10_000);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(990); // Timers are a little early.
    await analytics.shutdown();
  });

  it("sends its key, and JSON", async () => {
    const analytics = new Analytics({ endpoint: service.endpoint, key: "sla_srv_example" });
    analytics.track("session", { action: "start" }, { userId: "user-1", sessionId: "session-1" });
    expect(await analytics.flush()).toBe(0);
    expect(service.headers[0]).toMatchObject({
      authorization: "Bearer sla_srv_example",
      "content-type": "application/json",
    });
    expect(service.events[0]).toMatchObject({ userId: "user-1", sessionId: "session-1", platform: "server" });
    await analytics.shutdown();
  });

  it("holds 10,000 events while the service is away, and drops the oldest beyond them", async () => {
    const analytics = new Analytics({ endpoint: NOBODY, onDrop });
    const ids = Array.from({ length: 10_003 }, (_, n) => analytics.track("view", view(n)));
    expect(analytics.pending).toBe(10_000);
    expect(dropped).toEqual(ids.slice(0, 3).map((id) => [id, "queue_full"]));
    vi.spyOn(console, "warn").mockReturnValue(undefined);
    await analytics.shutdown(1);
  });

  it("sends what waits when it is shut down, and accepts nothing afterwards", async () => {
    const analytics = new Analytics({ endpoint: service.endpoint, onDrop });
    for (let n = 0; n < 250; n++) analytics.track("view", view(n));
    await analytics.shutdown();
    expect(new Set(service.events.map((event) => event.eventId)).size).toBe(250);
    expect(analytics.track("view", view("late"))).toBeUndefined();
    expect(dropped.map(([, reason]) => reason)).toEqual(["shut_down"]);
  });

  it("says in one line how many events are lost when it is shut down without the service", async () => {
    service.status = 503;
    const warned = vi.spyOn(console, "warn").mockReturnValue(undefined);
    const analytics = new Analytics({ endpoint: service.endpoint, onDrop });
    const ids = [analytics.track("view", view(1)), analytics.track("view", view(2))];
    await analytics.shutdown(300);
    expect(warned.mock.calls).toEqual([["analytics: 2 events were not acknowledged within 300 ms and are lost"]]);
    expect(dropped).toEqual(ids.map((id) => [id, "shut_down"]));
  });
});

describe("a process that ends without shutdown", () => {
  const run = (endpoint: string) =>
    promisify(execFile)(process.execPath, [fileURLToPath(new URL("fixtures/script.js", import.meta.url))], {
      env: { ...process.env, ANALYTICS_ENDPOINT: endpoint },
    });

  it("sends its events first", async () => {
    await run(service.endpoint);
    expect(service.events.map((event) => event.data["contentId"])).toEqual(["post-1", "post-2"]);
  });

  it("ends all the same when the service is away, and says what is lost", async () => {
    const { stderr } = await run(NOBODY);
    expect(stderr).toMatch(/^analytics: 2 events were not acknowledged within 2000 ms and are lost$/m);
  });
});

describe("the helper", () => {
  afterEach(() => AnalyticsHelper.shutdown());

  it("takes the calls of the request as they stand", async () => {
    vi.stubEnv("ANALYTICS_ENDPOINT", service.endpoint);
    const userId = "user-123";
    const postId = "post-123";
    const purchaseData = { productId: "product-456", orderId: "order-789", amount: 29.99, paymentMethod: "wallet" };

    // Track from other microservices
    AnalyticsHelper.trackView(userId, "post", postId);
    AnalyticsHelper.trackEngagement(userId, "like", "post", postId);
    AnalyticsHelper.trackPurchase(userId, purchaseData);

    expect(await AnalyticsHelper.flush()).toBe(0);
    expect(service.events.map(({ eventType, userId: user, data }) => [eventType, user, data])).toEqual([
      ["view", userId, { contentType: "post", contentId: postId }],
      ["engagement", userId, { action: "like", targetType: "post", targetId: postId }],
      ["purchase", userId, { ...purchaseData, currency: "USD" }],
    ]);
  });

  it("takes the other fields of an event as an object", async () => {
    AnalyticsHelper.initialize({ endpoint: service.endpoint });
    AnalyticsHelper.trackView("user-1", "post", "post-1", { viewDuration: 45 });
    AnalyticsHelper.trackStream("user-1", "stream-1", "join");
    AnalyticsHelper.trackSession("user-1", "start", { entryPoint: "push" });
    await AnalyticsHelper.flush();
    expect(service.events.map((event) => event.data)).toEqual([
      { contentType: "post", contentId: "post-1", viewDuration: 45 },
      { streamId: "stream-1", action: "join" },
      { action: "start", entryPoint: "push" },
    ]);
  });

  it("is initialized once, and again after shutdown", async () => {
    AnalyticsHelper.initialize({ endpoint: service.endpoint });
    expect(() => AnalyticsHelper.initialize()).toThrow("call shutdown() first");
    await AnalyticsHelper.shutdown();
    AnalyticsHelper.initialize({ endpoint: service.endpoint });
  });
});
