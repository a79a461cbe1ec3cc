import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An event as the service gets it. */
export interface Received {
  eventId: string;
  eventType: string;
  sessionId: string;
  sentAt: string;
  data: Record<string, unknown>;
}
/** A request to the service. */
export interface Call {
  method: string;
  contentType: string | undefined;
  bytes: number;
  events: Received[];
}

const BUNDLE = new URL("../dist/index.js", import.meta.url);
const START = `import { initialize } from "/analytics.js";
self.dropped = [];
self.analytics = initialize({ ...self.options, onDrop: (...drop) => self.dropped.push(drop) });
`;
const WORKER = `${START}
onmessage = async ({ data }) => {
  const eventId = analytics.track("view", { contentType: "post", contentId: data });
  postMessage({ eventId, left: await analytics.flush() });
};
`;
/** Nothing but scripts of this origin may run, and nothing else may be called. */
const STRICT = "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'; frame-src 'self'";
const FILES: Record<string, [type: string, text: string]> = {
  "/": ["text/html", `<!doctype html><title>Page</title><script type="module" src="/page.js"></script>`],
  "/other": ["text/html", "<!doctype html><title>Other</title>"],
  "/frame": [
    "text/html",
    `<!doctype html><title>Frame</title><iframe sandbox="allow-scripts" src="/" name="inner"></iframe>`,
  ],
  "/pending": [
    "text/html",
    `<!doctype html><title>Pending</title><script src="/options.js"></script><script type="module" src="/page.js"></script>`,
  ],
  "/options.js": ["text/javascript", `self.options = { consent: "pending" };`],
  "/page.js": ["text/javascript", START],
  "/worker.js": ["text/javascript", WORKER],
};

/** A web site with the client in its pages, and what stands for the service under /api of the same origin. */
export class Site {
  /** Every request to the service, in order. */
  readonly calls: Call[] = [];
  /** Answers a request to the service; null: the connection breaks. Stores everything unless a test changes it. */
  reply: (call: Call) => number | null | Promise<number | null> = () => 200;
  readonly #server: Server = createServer((request, response) => void this.#serve(request, response));

  /** Listen. */
  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  /** Listen no more. */
  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** The address, without a path. */
  get origin(): string {
    return `http://localhost:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** The ids of the events that came, in order. */
  get ids(): string[] {
    return this.calls.flatMap((call) => call.events.map((event) => event.eventId));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    if (!path.startsWith("/api/")) {
      const [type, text] =
        path === "/analytics.js"
          ? ["text/javascript", readFileSync(BUNDLE, "utf8")]
          : (FILES[path] ?? ["text/plain", ""]);
      // A sandboxed frame has an origin of its own, from which modules are loaded with CORS.
      const headers = { "content-type": type, "content-security-policy": STRICT, "access-control-allow-origin": "*" };
      response.writeHead(200, headers).end(text);
      return;
    }
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { events } = JSON.parse(body || `{"events":[]}`) as { events: Received[] };
    const { method = "", headers } = request;
    const call = { method, contentType: headers["content-type"], bytes: Buffer.byteLength(body), events };
    this.calls.push(call);
    const status = await this.reply(call);
    if (status === null) request.socket.destroy();
    else
      response
        .writeHead(status, { "content-type": "application/json", "access-control-allow-origin": "*" })
        .end(JSON.stringify(status === 200 ? { received: String(events.length) } : { reason: "OVERLOADED" }));
  }
}
