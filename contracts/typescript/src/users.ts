/** `client.auth.users`: create, find and change users. */

import { options as knownOptions, text, timestamp } from "./arguments.js";
import { type ExportOptions, UserExport } from "./exporting.js";
import type {
  CommandReply,
  CreateUser,
  Identity,
  IdentityList,
  ListUsers,
  LoginHistory,
  Register,
  RegisterReply,
  UpdateUser,
  User,
  UserHistory,
  UserList,
} from "./generated/messages.js";
import { type ImportedUser, type ImportOptions, type ImportSummary, importUsers } from "./importing.js";
import type { CommandOptions, OperationName, QueryOptions, Transport } from "./transport.js";
import { type UndoOptions, type UndoSummary, undo } from "./undoing.js";

/** Users that `iterAll` asks for at a time. */
const PAGE = 500;

/** The result of a registration where Denizen is set to be discreet: it does not say whether the address was free. */
export interface Undisclosed {
  readonly emailVerified: "undisclosed";
  readonly id?: undefined;
}

/** A page of a history: at most `count` entries, from the `nextCursor` of the page before. */
export interface Page {
  count?: number;
  cursor?: string;
}

/** The users. Each method throws DenizenError. */
export class Users {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  // --- commands: each returns the user after the command ---------------------------------------------------------

  /**
   * Create a user.
   *
   * `passwordHash`: of another system, instead of a password; `password: "hashed:$2b$…"` says the same.
   * Throws EmailTaken, ExternalIdTaken, WeakPassword.
   */
  create(user: CreateUser, options?: CommandOptions): Promise<User> {
    return this.#change("CreateUser", user, options);
  }

  /**
   * Change the given fields. The sections merge at their top level: a key of null is removed, absent ones stay.
   *
   * `externalId: null` removes it. Throws UserNotFound, ExternalIdTaken.
   */
  update(userId: string, changes: Omit<UpdateUser, "userId">, options?: CommandOptions): Promise<User> {
    return this.#change("UpdateUser", { ...changes, userId }, options);
  }

  /**
   * Block a user, whatever the status. The reason is kept encrypted. Throws UserNotFound, ValidationFailed.
   *
   * `until`: when the block ends by itself (RFC 3339); without it, only `unblock` ends it.
   */
  block(userId: string, details: { reason?: string; until?: string } = {}, options?: CommandOptions): Promise<User> {
    return this.#change("BlockUser", { ...details, userId }, options);
  }

  /** Return a blocked user to the status before. Throws UserNotFound, InvalidTransition. */
  unblock(userId: string, options?: CommandOptions): Promise<User> {
    return this.#change("UnblockUser", { userId }, options);
  }

  /** Deactivate a user, whatever the status. Throws UserNotFound. */
  deactivate(userId: string, options?: CommandOptions): Promise<User> {
    return this.#change("DeactivateUser", { userId }, options);
  }

  /** Return a deactivated user to the status before. Throws UserNotFound, InvalidTransition. */
  reactivate(userId: string, options?: CommandOptions): Promise<User> {
    return this.#change("ReactivateUser", { userId }, options);
  }

  /** Erase a user: their personal data in the log cannot be read any more. Throws UserNotFound. */
  async delete(userId: string, options?: CommandOptions): Promise<void> {
    await this.#transport.command("DeleteUser", { userId }, options);
  }

  // --- commands about passwords and addresses --------------------------------------------------------------------

  /** Register a person. Where Denizen is set to be discreet, the result is `Undisclosed`. Throws EmailTaken, WeakPassword. */
  async register(person: Register, options?: CommandOptions): Promise<User | Undisclosed> {
    const { user } = await this.#transport.command<RegisterReply>("Register", person, options);
    return user ?? { emailVerified: "undisclosed" };
  }

  /** Send a code to a new address; `verifyEmail` with it makes the address the user's. Throws EmailTaken. */
  changeEmail(userId: string, email: string, options?: CommandOptions): Promise<User> {
    return this.#change("ChangeEmail", { userId, email }, options);
  }

  /**
   * Send a code to the address that is to be verified. Null for a front end, which is not shown the user.
   *
   * Throws InvalidTransition, TooManyAttempts.
   */
  async sendVerificationEmail(userId: string, options?: CommandOptions): Promise<User | null> {
    const reply = await this.#transport.command<Partial<CommandReply>>("SendVerificationEmail", { userId }, options);
    return reply.user ?? null;
  }

  /** Verify an address by the code or the long code of the mail. Throws CodeInvalid, TooManyAttempts. */
  verifyEmail(userId: string, proof: { code: string }, options?: CommandOptions): Promise<User> {
    return this.#change("VerifyEmail", { ...proof, userId }, options);
  }

  /** Change a password by the current one; every session ends. Throws InvalidCredentials, WeakPassword. */
  changePassword(
    userId: string,
    passwords: { currentPassword: string; newPassword: string },
    options?: CommandOptions,
  ): Promise<User> {
    return this.#change("ChangePassword", { ...passwords, userId }, options);
  }

  /** Set a password; every session ends. Throws UserNotFound, WeakPassword. */
  resetPassword(
    userId: string,
    reset: { password: string; requireChange?: boolean },
    options?: CommandOptions,
  ): Promise<User> {
    return this.#change("ResetPassword", { ...reset, userId }, options);
  }

  /** Mail a token by which the password can be set. Does not reveal whether a user has the address. */
  async sendPasswordResetEmail(email: string, options?: CommandOptions): Promise<void> {
    await this.#transport.command("SendPasswordResetEmail", { email }, options);
  }

  /** Set a password by the token that was mailed; every session ends. Throws TokenInvalid, WeakPassword. */
  confirmPasswordReset(proof: { token: string; password: string }, options?: CommandOptions): Promise<User> {
    return this.#change("ConfirmPasswordReset", proof, options);
  }

  // --- commands about linked accounts ----------------------------------------------------------------------------

  /** Link an account at another provider. The access token is not kept. Throws IdentityTaken. */
  linkIdentity(
    userId: string,
    identity: { provider: string; providerId: string; accessToken?: string },
    options?: CommandOptions,
  ): Promise<User> {
    return this.#change("LinkIdentity", { ...identity, userId }, options);
  }

  /** Unlink an account, which is free at once. Throws IdentityNotFound. */
  unlinkIdentity(
    userId: string,
    identity: { provider: string; providerId: string },
    options?: CommandOptions,
  ): Promise<User> {
    return this.#change("UnlinkIdentity", { ...identity, userId }, options);
  }

  async #change(command: OperationName, body: object, options?: CommandOptions): Promise<User> {
    return (await this.#transport.command<CommandReply>(command, body, options)).user;
  }

  // --- queries: they show at least what this client has written and read -----------------------------------------

  /** A user by id, or as of a time. Throws UserNotFound. */
  async get(userId: string, when: { asOf?: Date | string } = {}, options?: QueryOptions): Promise<User> {
    const { asOf } = knownOptions(when, ["asOf"]); // An option of the call in its place would be none.
    const then = asOf === undefined ? {} : { asOf: timestamp("asOf", asOf) };
    return this.#transport.query<User>("GetUser", { userId, ...then }, options);
  }

  /** A user by e-mail address, in any case. Throws UserNotFound. */
  getByEmail(email: string, options?: QueryOptions): Promise<User> {
    return this.#transport.query<User>("GetUserByEmail", { email }, options);
  }

  /** A user by the id that your system gave them. Throws UserNotFound. */
  getByExternalId(externalId: string, options?: QueryOptions): Promise<User> {
    return this.#transport.query<User>("GetUserByExternalId", { externalId }, options);
  }

  /**
   * A page of at most 500 users, and how many there are in all; `nextCursor` leads to the next page.
   *
   * `search`: words, each part of the e-mail address or of a name, whatever its case and accents; the user with exactly
   * this address or external id comes first. With a cursor all but `count` must be as for the page before. A page can
   * end before it is full: go by `nextCursor`, or let `iterAll` do it. By offsets, add `data.length`, never `count`:
   * users of 16 KB of metadata fill a message before 100 of them do (`truncated`).
   */
  list(which: ListUsers = {}, options?: QueryOptions): Promise<UserList> {
    return this.#transport.query<UserList>("ListUsers", which, options);
  }

  /** All users, page by page: each remaining one appears once, whatever is created or erased meanwhile. */
  async *iterAll(
    which: Pick<ListUsers, "status" | "search" | "sort"> = {},
    options?: QueryOptions,
  ): AsyncGenerator<User, void, undefined> {
    knownOptions(which, ["status", "search", "sort"]);
    let cursor: string | null = null;
    do {
      const after: ListUsers = cursor === null ? {} : { cursor };
      const page: UserList = await this.list({ ...which, ...after, count: PAGE }, options);
      yield* page.data;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /** The linked accounts of a user, in the order in which they were linked. Throws UserNotFound. */
  async listIdentities(userId: string, options?: QueryOptions): Promise<Identity[]> {
    return (await this.#transport.query<IdentityList>("ListIdentities", { userId }, options)).data;
  }

  /** The changes of a user, newest first; `nextCursor` leads to the next page. Throws UserNotFound. */
  history(userId: string, page: Page = {}, options?: QueryOptions): Promise<UserHistory> {
    return this.#transport.query<UserHistory>("GetUserHistory", { ...page, userId }, options);
  }

  /** Attempts to sign in, newest first; `nextCursor` of the page leads to the next. */
  loginHistory(userId: string, page: Page = {}, options?: QueryOptions): Promise<LoginHistory> {
    return this.#transport.query<LoginHistory>("GetLoginHistory", { ...page, userId }, options);
  }

  // --- many at a time --------------------------------------------------------------------------------------------

  /** Import users from anything that can be iterated over. A bad row stops no other. */
  import(users: Iterable<ImportedUser> | AsyncIterable<ImportedUser>, options?: ImportOptions): Promise<ImportSummary> {
    return importUsers(this.#transport, users, options);
  }

  /**
   * Erase the users that an import created and that no one has used or changed since; the others stay.
   *
   * Only the NATS user `operator` may. Interrupted, it can be called again and goes on.
   */
  async undoImport(importId: string, options?: UndoOptions): Promise<UndoSummary> {
    return undo(this.#transport, text("importId", importId), options);
  }

  /**
   * Begin a file of all users that match, as they were at one position of the log.
   *
   * The result is iterated over, piece by piece, or read as a whole by `text()`. If you stop before its end, end it
   * (`await using`, or `break` out of `for await`), so that the service lets go of its snapshot at once.
   */
  async export(which?: ExportOptions, options?: { signal?: AbortSignal }): Promise<UserExport> {
    return UserExport.begin(this.#transport, which, knownOptions(options, ["signal"]).signal);
  }
}
