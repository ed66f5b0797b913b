/** `client.auth.me(token)`: what a signed-in user may do. */

import { text } from "./arguments.js";
import type {
  Identity,
  IdentityList,
  LoginHistory,
  OpaqueCommandReply,
  Session,
  SessionList,
  UpdateMe,
  User,
} from "./generated/messages.js";
import type { CommandOptions, OperationName, QueryOptions, Transport } from "./transport.js";
import type { Page } from "./users.js";

/**
 * The user's current password, for calls that a stolen access token must not be enough for: they need it where the
 * session did not begin within the last 10 minutes.
 */
export interface Proof {
  currentPassword?: string;
}

/** Acts for a signed-in user, by their access token. Each method throws Unauthenticated, TokenInvalid. */
export class Me {
  readonly #transport: Transport;
  readonly #token: string;

  constructor(transport: Transport, accessToken: string) {
    this.#transport = transport;
    this.#token = text("accessToken", accessToken);
  }

  /** The user. */
  get(options?: QueryOptions): Promise<User> {
    return this.#transport.query<User>("GetMe", {}, options, this.#token);
  }

  /** Change profile or metadata, as `users.update`. */
  update(changes: UpdateMe, options?: CommandOptions): Promise<User> {
    return this.#change("UpdateUser", changes, options);
  }

  /** Send a code to a new address. A user who has a password gives it. Throws EmailTaken, InvalidCredentials. */
  changeEmail(email: string, proof: Proof = {}, options?: CommandOptions): Promise<User> {
    return this.#change("ChangeEmail", { ...proof, email }, options);
  }

  /** Every session ends, this one too. Throws InvalidCredentials, WeakPassword. */
  changePassword(passwords: { currentPassword: string; newPassword: string }, options?: CommandOptions): Promise<User> {
    return this.#change("ChangePassword", passwords, options);
  }

  /** The user's live sessions, newest first; one of them is `current`. */
  async listSessions(options?: QueryOptions): Promise<Session[]> {
    return (await this.#transport.query<SessionList>("ListSessions", {}, options, this.#token)).data;
  }

  /** End one of the user's sessions. */
  revokeSession(sessionId: string, options?: CommandOptions): Promise<User> {
    return this.#change("RevokeSession", { sessionId }, options);
  }

  /** End this session. */
  logOut(options?: CommandOptions): Promise<User> {
    return this.#change("LogOut", {}, options);
  }

  /** The user's attempts to sign in, newest first. */
  loginHistory(page: Page = {}, options?: QueryOptions): Promise<LoginHistory> {
    return this.#transport.query<LoginHistory>("GetLoginHistory", page, options, this.#token);
  }

  /** The user's linked accounts. */
  async listIdentities(options?: QueryOptions): Promise<Identity[]> {
    return (await this.#transport.query<IdentityList>("ListIdentities", {}, options, this.#token)).data;
  }

  /** Link the user's account at another provider. Throws IdentityTaken, and the errors of `delete`. */
  linkIdentity(identity: { provider: string; providerId: string } & Proof, options?: CommandOptions): Promise<User> {
    return this.#change("LinkIdentity", identity, options);
  }

  /** Unlink the user's account at another provider. Throws IdentityNotFound, and the errors of `delete`. */
  unlinkIdentity(identity: { provider: string; providerId: string } & Proof, options?: CommandOptions): Promise<User> {
    return this.#change("UnlinkIdentity", identity, options);
  }

  /**
   * Erase the user. Throws Forbidden where the session is not recent and no password is given; InvalidCredentials and
   * TooManyAttempts where the password is not right.
   */
  async delete(proof: Proof = {}, options?: CommandOptions): Promise<void> {
    await this.#transport.command("DeleteUser", proof, options, { token: this.#token });
  }

  async #change(command: OperationName, body: object, options?: CommandOptions): Promise<User> {
    const sending = { token: this.#token };
    return (await this.#transport.command<OpaqueCommandReply>(command, body, options, sending)).user;
  }
}
