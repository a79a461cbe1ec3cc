import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** An event as the service gets it. */
export interface Received {
  eventId: string;
  eventType: string;
  userId?: string;
  platform: string;
  data: Record<string, unknown>;
}

/** Stands for the service: keeps the batches that it gets, and answers with a status that a test chooses. */
export class FakeService {
  readonly batches: Received[][] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  status = 200;
  readonly #server: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
      const { events } = JSON.parse(body) as { events: Received[] };
      this.batches.push(events);
      this.headers.push(request.headers);
      response.writeHead(this.status, { "content-type": "application/json" });
      response.end(JSON.stringify(this.status === 200 ? { received: String(events.length) } : { reason: "DRAINING" }));
    });
  });

  /** Listen. */
  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  /** Listen no more. */
  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Where it listens. */
  get endpoint(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** Every event that came. */
  get events(): Received[] {
    return this.batches.flat();
  }
}
