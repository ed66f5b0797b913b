/** `client.auth.sessions`: sign in, refresh, end sessions. */

import { text } from "./arguments.js";
import type { CommandReply, Session, SessionList, SignedIn, TokenFacts, User } from "./generated/messages.js";
import type { CommandOptions, QueryOptions, Transport } from "./transport.js";

const USER_AGENT_CHARACTERS = 512;

/** What a user signs in with, and from where. */
export interface SignIn {
  email: string;
  password: string;
  /** The network address of the user: guessing is limited by it, and the login history shows it. */
  ip?: string | undefined;
  userAgent?: string | undefined;
  /**
   * An access token of an earlier session of this user, which may have expired or ended. With it the user gets in while
   * others guess the password.
   */
  earlierToken?: string | undefined;
}

/** Signs users in, refreshes and ends sessions. Each method throws DenizenError. */
export class Sessions {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Sign in.
   *
   * Throws InvalidCredentials, EmailNotVerified, UserBlocked, UserDeactivated, PasswordChangeRequired, TooManyAttempts.
   */
  authenticate(who: SignIn, options?: CommandOptions): Promise<SignedIn> {
    const { earlierToken, userAgent, ...rest } = who;
    const body = userAgent === undefined ? rest : { ...rest, userAgent: clean(userAgent) };
    const proof = earlierToken === undefined ? {} : { proof: text("earlierToken", earlierToken) };
    return this.#transport.command<SignedIn>("Authenticate", body, options, proof);
  }

  /** Exchange the refresh token for new tokens. Throws TokenInvalid. */
  refresh(refreshToken: string, options?: CommandOptions): Promise<SignedIn> {
    return this.#transport.command<SignedIn>("RefreshSession", { refreshToken }, options);
  }

  /** The live sessions of a user, newest first. Throws UserNotFound. */
  async list(userId: string, options?: QueryOptions): Promise<Session[]> {
    return (await this.#transport.query<SessionList>("ListSessions", { userId }, options)).data;
  }

  /** End a session; harmless where it has ended. Throws UserNotFound. */
  async revoke(userId: string, sessionId: string, options?: CommandOptions): Promise<User> {
    return (await this.#transport.command<CommandReply>("RevokeSession", { userId, sessionId }, options)).user;
  }

  /** End every session of a user. Throws UserNotFound. */
  async revokeAll(userId: string, options?: CommandOptions): Promise<User> {
    return (await this.#transport.command<CommandReply>("RevokeSessions", { userId }, options)).user;
  }

  /** Ask whether an access token is good. Throws TokenInvalid. */
  verify(token: string, options?: QueryOptions): Promise<TokenFacts> {
    return this.#transport.query<TokenFacts>("VerifyToken", { token }, options);
  }
}

/** A user agent that JSON, UTF-8 and one line can hold: a browser or a proxy wrote it, and the user cannot mend it. */
function clean(userAgent: string): string {
  const line = text("userAgent", userAgent)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
  return [...line.trim()].slice(0, USER_AGENT_CHARACTERS).join("");
}
