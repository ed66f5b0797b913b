/// <reference lib="esnext.disposable" preserve="true" />

/**
 * The client of Denizen for pages in browsers: over NATS's WebSocket, for persons who are not signed in and for the user
 * of an access token, and for nothing else.
 */

import { type NatsConnection, wsconnect } from "@nats-io/nats-core";
import * as arguments_ from "./arguments.js";
import { Bounds } from "./bounds.js";
import { isLoginRefused, loginRefused } from "./connection.js";
import { Me } from "./me.js";
import { Sessions } from "./sessions.js";
import { type Dialing, Transport } from "./transport.js";
import { Users } from "./users.js";

export * from "./errors.js";
export type { Me, Proof } from "./me.js";
export type { SignIn } from "./sessions.js";
export type { CommandOptions, QueryOptions } from "./transport.js";
export type { Undisclosed } from "./users.js";

const DEFAULT_TIMEOUT = 10_000;
const USER = /^browser-[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
const OPTIONS = ["server", "user", "password", "timeout"] as const;

/** The options of a client in a browser. */
export interface BrowserClientOptions {
  /** The WebSocket listener of NATS: `wss://nats.example.com`; `ws://` for this machine alone. */
  server: string;
  /** The NATS user that `denizen nats-users add browser NAME` made: `browser-<name>`. */
  user: string;
  /** Its password. It is no secret: every visitor can read it in the page. */
  password: string;
  /** Milliseconds for each call, repeats included; 10,000 by default. */
  timeout?: number;
}

/** What a person who is not signed in may do with an account. */
export type PublicUsers = Pick<
  Users,
  "register" | "verifyEmail" | "sendVerificationEmail" | "sendPasswordResetEmail" | "confirmPasswordReset"
>;
/** What a person who is not signed in may do to be so. */
export type PublicSessions = Pick<Sessions, "authenticate" | "refresh">;

/** What a page may ask. */
export class BrowserAuth {
  readonly users: PublicUsers;
  readonly sessions: PublicSessions;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.users = new Users(transport);
    this.sessions = new Sessions(transport);
  }

  /** Acts for a signed-in user, by their access token. */
  me(accessToken: string): Me {
    return new Me(this.#transport, accessToken);
  }
}

/**
 * A client of Denizen in a browser. It connects when it is first used, and repeats requests that got no answer.
 *
 * All visitors of a page share its NATS user. Each request has a key of its own, and Denizen seals the reply for it, so
 * that no other visitor can read it.
 */
export class Client implements AsyncDisposable {
  readonly auth: BrowserAuth;
  readonly #transport: Transport;
  readonly #timeout: number;

  /** Throws TypeError, RangeError where an option is wrong. */
  constructor(options: BrowserClientOptions) {
    const { server, user, password, timeout = DEFAULT_TIMEOUT } = arguments_.options(options, OPTIONS);
    this.#timeout = timeout;
    this.#transport = new Transport(dialing(server, user, password), timeout);
    this.auth = new BrowserAuth(this.#transport);
  }

  /** Connect now rather than at the first call; or again, after `close`. Throws NoAnswer and its kinds. */
  async connect(options?: { signal?: AbortSignal }): Promise<void> {
    const { signal } = arguments_.options(options, ["signal"]);
    this.#transport.open();
    await this.#transport.connection(new Bounds(this.#timeout, signal));
  }

  /** As `seeLatest` of the client for services. */
  seeLatest(): void {
    this.#transport.seeLatest();
  }

  /** Disconnect. Calls throw an Error from then on. Twice is harmless. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function dialing(server: string, user: string, password: string): Dialing {
  const address = addressOf(server);
  if (!USER.test(arguments_.text("user", user))) {
    throw new RangeError("user: must be one of `denizen nats-users add browser NAME`, which is called browser-<name>");
  }
  arguments_.text("password", password);
  const inboxPrefix = `_INBOX.${user}`;
  return {
    user,
    inboxPrefix,
    where: address.host,
    async dial(): Promise<NatsConnection> {
      try {
        return await wsconnect({
          servers: address.href,
          user,
          pass: password,
          inboxPrefix,
          name: "denizen client",
          timeout: 5000,
          maxReconnectAttempts: -1,
          reconnectTimeWait: 250,
          pingInterval: 10_000,
          ignoreAuthErrorAbort: true,
          noAsyncTraces: true,
          // The servers of a cluster name each other by addresses that are not for browsers.
          ignoreClusterUpdates: true,
        });
      } catch (error) {
        throw isLoginRefused(error) ? loginRefused(address.host) : error;
      }
    },
  };
}

/** Throws TypeError, RangeError. */
function addressOf(server: string): URL {
  let address: URL;
  try {
    address = new URL(arguments_.text("server", server));
  } catch (error) {
    if (error instanceof TypeError && error.message.startsWith("server:")) throw error;
    throw new RangeError("server: is not wss://host:port");
  }
  if (address.protocol === "wss:") return address;
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(address.hostname);
  if (address.protocol !== "ws:" || !isHere) {
    throw new RangeError("server: must be wss://host:port; ws:// has no TLS, and is for this machine alone");
  }
  return address;
}
