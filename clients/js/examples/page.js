import { initialize } from "/analytics.js";

const status = document.querySelector("#status");
const analytics = initialize({
  userId: "user-123",
  onReject: ({ reason }) => (status.textContent = `rejected: ${reason}`),
});

analytics.startDwellTracking("post", "post-123");
document.querySelector("#like").addEventListener("click", async () => {
  const eventId = analytics.track("engagement", { action: "like", targetType: "post", targetId: "post-123" });
  const left = await analytics.flush();
  status.textContent = left ? `${left} events wait for the service` : `stored ${eventId}`;
});
