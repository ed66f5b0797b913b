/** A small HTTP service for signed-in users: a blocked user is out at once, and loses the cart. See README.md. */

import { createServer } from "node:http";
import { Client, StaleRead, type TokenClaims, TokenInvalid, TokenVerifier } from "@denizen/client";

const port = Number(process.argv[2] ?? 8000);
const carts = new Map<string, string[]>();
const client = new Client();
const verifier = new TokenVerifier();
await verifier.connect();

await client.auth.events.subscribe("UserBlocked", {
  durable: "example-carts",
  start: "new",
  handler: (event) => {
    if (carts.delete(event.userId)) console.log(`removed the cart of ${event.userId}`);
  },
  onError: (error) => console.error("the feed of events:", error),
});

/** The claims of the caller's token, or the status with which the request is refused (RFC 6750). */
async function signedIn(authorization = ""): Promise<TokenClaims | 401 | 503> {
  const token = /^bearer (.+)$/i.exec(authorization)?.[1] ?? "";
  try {
    return await verifier.verify(token);
  } catch (error) {
    if (error instanceof TokenInvalid) return 401;
    if (error instanceof StaleRead) return 503;
    throw error;
  }
}

const server = createServer(async (request, response) => {
  const claims = await signedIn(request.headers.authorization);
  if (typeof claims === "number") {
    response.writeHead(claims, claims === 401 ? { "WWW-Authenticate": "Bearer" } : { "Retry-After": "1" }).end();
    return;
  }
  const cart = carts.get(claims.userId) ?? [];
  if (request.method === "POST") carts.set(claims.userId, [...cart, "apple"]);
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ userId: claims.userId, cart: carts.get(claims.userId) ?? [] }));
});
server.listen(port, "127.0.0.1", () => console.log("ready"));

process.once("SIGTERM", async () => {
  server.close();
  server.closeAllConnections();
  await Promise.all([client.close(), verifier.close()]);
});
