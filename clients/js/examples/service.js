// Tracks events of a service. Run: ANALYTICS_ENDPOINT=http://localhost:3006 node examples/service.js
import { AnalyticsHelper } from "@sociallive/analytics-node";

AnalyticsHelper.initialize({
  onReject: ({ eventId, reason }) => console.error(`${eventId} was rejected: ${reason}`),
  onDrop: (eventId, reason) => console.error(`${eventId} was dropped: ${reason}`),
});

const userId = "user-123";
AnalyticsHelper.trackView(userId, "post", "post-123");
AnalyticsHelper.trackEngagement(userId, "like", "post", "post-123");
AnalyticsHelper.trackPurchase(userId, { productId: "product-456", orderId: "order-789", amount: 29.99 });

const left = await AnalyticsHelper.flush();
console.log(left ? `${left} events wait for the service` : "3 events are stored");
await AnalyticsHelper.shutdown();
