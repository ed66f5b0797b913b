/** The client for Node, Deno and Bun. */

import * as arguments_ from "./arguments.js";
import { Bounds } from "./bounds.js";
import { Events } from "./events.js";
import { Me } from "./me.js";
import { CLIENT_OPTIONS, type ClientOptions, dialing } from "./node.js";
import { Sessions } from "./sessions.js";
import { Transport } from "./transport.js";
import { Users } from "./users.js";

const DEFAULT_TIMEOUT = 10_000;

/** The services of a client: `users`, `sessions` and `events`. */
export class Auth {
  readonly users: Users;
  readonly sessions: Sessions;
  readonly events: Events;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.users = new Users(transport);
    this.sessions = new Sessions(transport);
    this.events = new Events(transport);
  }

  /** Acts for a signed-in user, by their access token. */
  me(accessToken: string): Me {
    return new Me(this.#transport, accessToken);
  }
}

/**
 * A client of Denizen. It connects when it is first used, reads its own writes, and repeats requests that got no answer.
 *
 * Close it, or declare it with `await using`: its connection keeps the process alive.
 */
export class Client implements AsyncDisposable {
  readonly auth: Auth;
  readonly #transport: Transport;
  readonly #timeout: number;

  /** Throws TypeError, RangeError where an option is wrong. */
  constructor(options: ClientOptions = {}) {
    const { timeout = DEFAULT_TIMEOUT, ...rest } = arguments_.options(options, CLIENT_OPTIONS);
    this.#timeout = timeout;
    this.#transport = new Transport(dialing(rest), timeout);
    this.auth = new Auth(this.#transport);
  }

  /** Connect now rather than at the first call; or again, after `close`. Throws NoAnswer and its kinds. */
  async connect(options?: { signal?: AbortSignal }): Promise<void> {
    const { signal } = arguments_.options(options, ["signal"]);
    this.#transport.open();
    await this.#transport.connection(new Bounds(this.#timeout, signal));
  }

  /**
   * Let the next query show all that is committed when it arrives, whichever client wrote it.
   *
   * For word of a change that came another way than by this client's own replies and events. The query waits until
   * the read models have it, or throws StaleRead.
   */
  seeLatest(): void {
    this.#transport.seeLatest();
  }

  /** Stop every subscription, and disconnect. Calls throw an Error from then on. Twice is harmless. */
  async close(): Promise<void> {
    await this.auth.events.stop();
    await this.#transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
