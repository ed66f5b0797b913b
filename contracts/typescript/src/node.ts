/** How a client in Node (Deno, Bun) reaches NATS: over TCP, with TLS where it is asked for, or not at all. */

import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { type NatsConnection, errors as nats } from "@nats-io/nats-core";
import { connect, type NodeConnectionOptions } from "@nats-io/transport-node";
import { isLoginRefused, loginRefused } from "./connection.js";
import { type NoAnswer, TlsFailed } from "./errors.js";
import type { Dialing } from "./transport.js";

type NodeTlsOptions = NonNullable<NodeConnectionOptions["tls"]>;

const DEFAULT_SERVERS = "nats://127.0.0.1:4222";
/** What Node's errors of certificates and of TLS have in their codes. */
const TLS_CODE = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_SSL|ERR_TLS|EPROTO/;

/** The options of a client: these, and those of nats.js (`user`, `tls`, `authenticator`, …). */
export interface ClientOptions extends Omit<NodeConnectionOptions, "servers" | "timeout" | "pass" | "port"> {
  /** Addresses of NATS: `nats://host:port`, `tls://host:port`; by default $DENIZEN_NATS_URL, else this machine's. */
  servers?: string | readonly string[];
  /** Milliseconds for each call, repeats included; 10,000 by default. */
  timeout?: number;
  /** The password of the NATS user. */
  password?: string;
}

/** The names of the options, of which the compiler sees that none is missing. */
const OPTIONS = {
  servers: true,
  timeout: true,
  user: true,
  password: true,
  token: true,
  tls: true,
  authenticator: true,
  inboxPrefix: true,
  name: true,
  debug: true,
  verbose: true,
  pedantic: true,
  noEcho: true,
  noRandomize: true,
  noAsyncTraces: true,
  resolve: true,
  pingInterval: true,
  maxPingOut: true,
  reconnect: true,
  maxReconnectAttempts: true,
  reconnectDelayHandler: true,
  reconnectJitter: true,
  reconnectJitterTLS: true,
  reconnectTimeWait: true,
  reconnectToServer: true,
  waitOnFirstConnect: true,
  ignoreAuthErrorAbort: true,
  ignoreClusterUpdates: true,
} satisfies Record<keyof ClientOptions, true>;
export const CLIENT_OPTIONS = Object.keys(OPTIONS) as (keyof ClientOptions)[];

interface Address {
  host: string;
  hostname: string;
  user: string;
  password: string;
  isSecure: boolean;
}

/** The way to the servers of the options. Throws TypeError, RangeError where an address is none. */
export function dialing(options: Omit<ClientOptions, "timeout">): Dialing {
  const { servers, password, ...rest } = options;
  const found = addresses(servers).map(addressOf);
  const inUrl = found.find((address) => address.user !== "");
  const user = rest.user ?? inUrl?.user;
  const inboxPrefix = rest.inboxPrefix ?? `_INBOX.${user ?? "backend"}`;
  const where = found.map((address) => address.host).join(", ");
  return {
    user: user ?? "backend",
    inboxPrefix,
    where,
    async dial() {
      const tls = await tlsOf(rest.tls, found);
      try {
        return await connected({
          name: "denizen client",
          maxReconnectAttempts: -1,
          reconnectTimeWait: 250,
          pingInterval: 10_000,
          ignoreAuthErrorAbort: true,
          noAsyncTraces: true,
          // Before TLS stands, any host on the way could name servers of its own.
          ignoreClusterUpdates: tls !== undefined,
          ...rest,
          ...(user === undefined ? {} : { user }),
          ...(rest.user === undefined && inUrl
            ? { pass: inUrl.password }
            : password === undefined
              ? {}
              : { pass: password }),
          ...(tls === undefined ? {} : { tls }),
          inboxPrefix,
          servers: found.map((address) => address.host),
          timeout: 5000,
        });
      } catch (error) {
        throw refusal(error, where) ?? error;
      }
    },
  };
}

async function connected(options: NodeConnectionOptions): Promise<NatsConnection> {
  return connect(options);
}

function addresses(servers: string | readonly string[] | undefined): readonly string[] {
  const given = servers ?? (process.env.DENIZEN_NATS_URL || DEFAULT_SERVERS).split(",");
  return typeof given === "string" ? [given] : given;
}

/** No error shows the address, which may hold a password. */
function addressOf(server: unknown): Address {
  if (typeof server !== "string") throw new TypeError("servers: must be a string or an array of strings");
  const address = server.trim();
  let url: URL;
  try {
    url = new URL(address.includes("://") ? address : `nats://${address}`);
  } catch {
    throw new RangeError("servers: an address is not nats://host:port or tls://host:port");
  }
  if (!["nats:", "tls:"].includes(url.protocol) || url.hostname === "") {
    throw new RangeError("servers: an address is not nats://host:port or tls://host:port");
  }
  return {
    host: url.port === "" ? `${url.hostname}:4222` : url.host,
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    isSecure: url.protocol === "tls:",
  };
}

/**
 * The options of TLS; undefined where none is asked for.
 *
 * A `tls://` address, the option `tls` or $DENIZEN_NATS_CA means TLS with all servers: nats.js itself ignores the scheme.
 */
async function tlsOf(
  given: NodeTlsOptions | null | undefined,
  found: readonly Address[],
): Promise<NodeTlsOptions | undefined> {
  const authority = process.env.DENIZEN_NATS_CA;
  const isAsked = (given !== undefined && given !== null) || Boolean(authority);
  if (!isAsked && !found.some((address) => address.isSecure)) return undefined;
  const ca = authority && !given ? { ca: await certificates(authority) } : {};
  const identity = { checkServerIdentity: identityOf(found) };
  return { ...identity, ...ca, ...given };
}

async function certificates(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? (error as NodeJS.ErrnoException).code : "it cannot be read";
    throw new TlsFailed(`DENIZEN_NATS_CA: ${path} cannot be used: ${reason}`);
  }
}

/** Node checks the certificate of a server that is named by its IP address for "localhost", as nats.js calls it. */
function identityOf(found: readonly Address[]): (host: string, certificate: PeerCertificate) => Error | undefined {
  const named = found.map((address) => address.hostname);
  return (host, certificate) => {
    if (named.includes(host)) return checkServerIdentity(host, certificate);
    const faults = named.filter((name) => isIP(name) !== 0).map((name) => checkServerIdentity(name, certificate));
    return faults.includes(undefined) ? undefined : (faults[0] ?? checkServerIdentity(host, certificate));
  };
}

/** An error of connecting that trying again would not mend; undefined for others. */
function refusal(error: unknown, where: string): NoAnswer | undefined {
  if (isLoginRefused(error)) return loginRefused(where);
  if (error instanceof nats.ConnectionError && error.message.includes("'tls'")) {
    return new TlsFailed(
      `NATS at ${where} offers no TLS, and TLS was asked for (tls://, tls or DENIZEN_NATS_CA): nothing was sent`,
    );
  }
  for (const each of [error, error instanceof Error ? error.cause : undefined]) {
    const code = each instanceof Error ? (each as NodeJS.ErrnoException).code : undefined;
    if (code !== undefined && TLS_CODE.test(code)) {
      return new TlsFailed(
        `the TLS of NATS at ${where} is not accepted: ${code}; compare DENIZEN_NATS_CA or tls, and the host name`,
        { cause: each },
      );
    }
  }
  return undefined;
}
