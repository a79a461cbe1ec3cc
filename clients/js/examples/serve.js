// Serves the plain page, and passes /api on to the service, as a web server in front of both does.
// Run: node examples/serve.js [http://localhost:3006]
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";

const [service = "http://localhost:3006", port = "8000"] = process.argv.slice(2);
const FILES = {
  "/": ["text/html", "page.html"],
  "/page.js": ["text/javascript", "page.js"],
  "/analytics.js": ["text/javascript", "../packages/analytics/dist/index.js"],
};

createServer((incoming, outgoing) => {
  if (incoming.url.startsWith("/api/")) {
    const { method, headers } = incoming;
    const upstream = request(service + incoming.url, { method, headers }, (response) => {
      outgoing.writeHead(response.statusCode, response.headers);
      response.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.writeHead(502).end());
    incoming.pipe(upstream);
    return;
  }
  const [type, name] = FILES[incoming.url] ?? [];
  if (!name) return outgoing.writeHead(404).end();
  outgoing.writeHead(200, { "content-type": type }).end(readFileSync(new URL(name, import.meta.url)));
}).listen(Number(port), "127.0.0.1", () => console.log(`http://localhost:${port}`));
