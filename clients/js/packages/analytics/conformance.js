// Runs the client in two tabs of a real Chromium, which are reloaded in turns.
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { launchProfile } from "../../conformance/chromium.js";
import { CLOSE_MS, readArguments, reports, serve } from "../../conformance/protocol.js";

/** A little less than the queue holds: both tabs have an event on its way into it. */
const CAPACITY = 980;
/** One tab is reloaded after this many events. */
const RELOAD_EVERY = 150;
/** Constant, so that a restarted adapter finds the same storage. */
const ORIGIN = "http://app.localhost";
const BUNDLE = readFileSync(new URL("dist/index.js", import.meta.url));
const PAGE = `<!doctype html><meta charset="utf-8"><title>Conformance</title><script type="module">
import { initialize } from "/analytics.js";
window.analytics = initialize({ onReject: (rejection) => report("rejected", rejection), onDrop: (...drop) => report("dropped", drop) });
</script>`;

const { endpoint, state } = readArguments();

/** Pass a request on to the service, as the site of a page does; a broken connection breaks this one, too. */
const passOn = (incoming, outgoing) => {
  const { method, url } = incoming;
  // The call is the site's own: a service on loopback without keys refuses those of foreign hosts and origins.
  const { origin, referer, ...kept } = incoming.headers;
  const headers = { ...kept, host: new URL(endpoint).host };
  const upstream = request(`${endpoint}${url.slice("/api".length)}`, { method, headers, agent: false });
  upstream.on("response", (response) => {
    response.on("error", () => outgoing.destroy());
    outgoing.writeHead(response.statusCode, response.headers);
    response.pipe(outgoing);
  });
  upstream.on("error", () => outgoing.destroy());
  incoming.on("error", () => upstream.destroy());
  incoming.pipe(upstream);
};

const site = createServer((incoming, outgoing) => {
  if (incoming.url.startsWith("/api/")) passOn(incoming, outgoing);
  else if (incoming.url === "/analytics.js") outgoing.writeHead(200, { "content-type": "text/javascript" }).end(BUNDLE);
  else outgoing.writeHead(200, { "content-type": "text/html" }).end(PAGE);
});
await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));

const context = await launchProfile(state, `--host-resolver-rules=MAP app.localhost 127.0.0.1:${site.address().port}`);
await context.exposeFunction("report", (op, report) => {
  if (op === "rejected") reports.onReject(report);
  else reports.onDrop(...report);
});
const open = async (page) => {
  await page.goto(ORIGIN);
  await page.waitForFunction(() => window.analytics);
};
const tabs = [await context.newPage(), await context.newPage()];
for (const tab of tabs) await open(tab);

let tracked = 0;
await serve(
  {
    async track({ type, data, userId }) {
      const tab = tabs[tracked % tabs.length];
      if (++tracked % RELOAD_EVERY === 0) await open(tab);
      return tab.evaluate(([...event]) => window.analytics.track(...event), [type, data, { userId }]);
    },
    flush: (timeoutMs) => Promise.all(tabs.map((tab) => tab.evaluate((ms) => window.analytics.flush(ms), timeoutMs))),
    pending: () => tabs[0].evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("sla.q.")).length),
    async close() {
      await Promise.all(tabs.map((tab) => tab.evaluate((ms) => window.analytics.flush(ms), CLOSE_MS)));
      await context.close();
      site.close();
    },
  },
  CAPACITY,
);
