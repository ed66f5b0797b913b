// Made by `make contract` from contracts/denizen. Change the Python side instead.

/** The same answer in every case, so that it does not reveal whether an address is known. */
export type Accepted = Record<string, never>;

/** Sign in by password. */
export interface Authenticate {
  email: string;
  password: string;
  ip?: string | null;
  userAgent?: string | null;
}

export interface BlockUser {
  userId: string;
  /** For the user's history; it is kept encrypted and never published. */
  reason?: string | null;
  /**
   * When the block ends by itself, at most five seconds late; by default only UnblockUser ends it. The latest
   * BlockUser counts: it may move the end of an earlier block, or take it away.
   */
  until?: string | null;
}

/**
 * Mails a code to the new address. VerifyEmail with that code changes the address, and the old address gets a note.
 *
 * With the user's present address, a pending change is cancelled: its code becomes invalid, and no mail is sent.
 */
export interface ChangeEmail {
  userId: string;
  email: string;
}

/** As ChangeEmail. */
export interface ChangeMyEmail {
  email: string;
  /** Needed where the user has a password: a stolen session must not move the account to another address. */
  currentPassword?: string | null;
}

/** As ChangePassword. */
export interface ChangeMyPassword {
  currentPassword: string;
  newPassword: string;
}

/** The new password must differ from the current one. */
export interface ChangePassword {
  userId: string;
  currentPassword: string;
  newPassword: string;
}

/** A field of a user whose value is not that of the row. */
export interface ChangedField {
  field: string;
  /** Holds no value of the row. */
  message: string;
}

/** The user after the command, and where the log stood. */
export interface CommandReply {
  user: User;
  /** The user's version after the command. */
  version: number;
  /** A query with this `Denizen-Min-Position` shows what the command did. */
  position: number;
}

/** If the user must change the password, the new one must differ from the current one. */
export interface ConfirmPasswordReset {
  token: string;
  password: string;
}

/** `password` is a password, or `hashed:` and the hash of one in any format that `passwordHash` takes. */
export interface CreateUser {
  email: string;
  password?: string | null;
  /** Modular crypt or PHC string, Django's, LDAP's; its cost is bounded. */
  passwordHash?: string | null;
  /** Without it the user is `PENDING_VERIFICATION`, and can sign in once the address is verified. */
  emailVerified?: boolean;
  /** The id that your own system gave the user. No two users have the same. */
  externalId?: string | null;
  profile?: ProfileInput;
  /** Free JSON, at most 16 KiB. The user may change it too. */
  metadata?: Metadata;
  /** Free JSON, at most 16 KiB. Only back ends change it. */
  appMetadata?: Metadata;
}

export interface DeactivateUser {
  userId: string;
}

/** Erases the user. */
export interface DeleteMe {
  currentPassword?: string | null;
}

/** Erases the user: data key, secrets, claims, sessions, stored replies. */
export interface DeleteUser {
  userId: string;
}

/** The user is gone. */
export interface Deleted {
  userId: string;
  position: number;
}

export interface ErrorBody {
  code: string;
  message: string;
  field?: string;
  details?: unknown[];
}

export interface ErrorReply {
  error: ErrorBody;
}

/** The body of a published event: thin, so that no stream ever holds personal data. */
export interface EventData {
  userId: string;
  /** The user's version after the event. */
  version: number;
  /** The user's status after the event. */
  status: Status;
  /** Names of the fields that changed, dotted: `profile.firstName`, `metadata`. */
  changed: string[];
  /** LoginSucceeded: the session that began. SessionsRevoked: the one that ended; absent where all did. */
  sessionId?: string;
  /**
   * LoginFailed: the code of the refusal. PasswordChanged: `changed`, `reset` (by an operator), `recovered`, or
   * `imported` (by an import that repaired an earlier one).
   * UserCreated: `imported` where an import made the user, who needs no welcome.
   * UserUnblocked: `ended` where the block had an end, which has come.
   */
  reason?: string;
}

export interface ExportFilter {
  status?: Status;
  /** Then or later. */
  createdAfter?: string | null;
  createdBefore?: string | null;
  /** As in ListUsers: users with these words, or with exactly this address or external id. */
  search?: string | null;
}

/**
 * All users that match, as of one position of the log, which every piece names.
 *
 * The answer is a piece of the file. Its header `Denizen-Export` names the subject on which the next one is asked for
 * by `{"piece": 1}` and so on; the piece that has no such header is the last. A piece can be asked for twice.
 * `{"end": true}` on that subject ends the export earlier; otherwise it is held for a minute.
 */
export interface ExportUsers {
  format?: ExportFormat;
  /** `id`, `email`, `profile`, `profile.firstName`, `metadata.plan`, ...; none: all of the user. */
  fields?: string[];
  filter?: ExportFilter;
  /** CSV: cells that a spreadsheet would take for formulas stay as they are; else a `'` goes before them. */
  raw?: boolean;
}

/** As ExportUsers; the field `passwordHash` can be asked for. Only the NATS user `operator` may ask. */
export interface ExportUsersWithHashes {
  format?: ExportFormat;
  /** `id`, `email`, `profile`, `profile.firstName`, `metadata.plan`, ...; none: all of the user. */
  fields?: string[];
  filter?: ExportFilter;
  /** CSV: cells that a spreadsheet would take for formulas stay as they are; else a `'` goes before them. */
  raw?: boolean;
}

/** The old and the new value of a field; null where it was or is absent. */
export interface FieldChange {
  /** Dotted: `email`, `profile.firstName`, `metadata.plan`. */
  field: string;
  old: unknown;
  new: unknown;
}

/**
 * Make the durable that the subject names, where it does not exist yet.
 *
 * A durable that exists stays as it is and goes on where it was. It is refused (`validation_failed`) where it follows
 * other types, or where the request names a start and the durable began elsewhere. Of `start`, `startPosition` and
 * `startTime` at most one is given.
 */
export interface FollowEvents {
  /** The types of events that it follows; none: all types. */
  types?: EventType[];
  /** `first` (the default): the first event that was ever published; `new`: the next one that is published. */
  start?: FirstFollowed;
  /** The first event at this position of the log, or behind it; where there is none yet, the next one. */
  startPosition?: number | null;
  /** The first event that was recorded at this time or later; where there is none yet, the next one. */
  startTime?: string | null;
  /**
   * Where it begins on the stream, by the stream's own numbers: for a durable that NATS lost, the number behind the
   * last event that was handled. The start is remembered all the same.
   */
  sequence?: number | null;
  /** Also make the consumer by which parked events are retried. */
  parks?: boolean;
}

/** The durable is there. */
export interface Followed {
  durable: string;
}

/** The keys that access tokens are signed with (RFC 7517). */
export type GetJwks = Record<string, never>;

/** Newest first. A page has at most `count` rows, and ends before it grows larger than a message. */
export interface GetLoginHistory {
  userId: string;
  count?: number;
  /** `nextCursor` of the page before. */
  cursor?: string | null;
}

export type GetMe = Record<string, never>;

export interface GetMyLoginHistory {
  count?: number;
  /** `nextCursor` of the page before. */
  cursor?: string | null;
}

/** The key that secrets in requests are sealed for. */
export type GetSealingKey = Record<string, never>;

export interface GetUser {
  userId: string;
  /** The user as of this time. */
  asOf?: string | null;
}

export interface GetUserByEmail {
  email: string;
}

export interface GetUserByExternalId {
  externalId: string;
}

/** Newest first. A page has at most `count` rows, and ends before it grows larger than a message. */
export interface GetUserHistory {
  userId: string;
  count?: number;
  /** `nextCursor` of the page before. */
  cursor?: string | null;
}

/** An account at another provider that is linked to the user. */
export interface Identity {
  provider: string;
  providerId: string;
  linkedAt: string;
}

/** The linked identities of a user; iterates over `data`. */
export interface IdentityList {
  data: Identity[];
}

/** Progress of an import. */
export interface ImportProgress {
  importId: string;
  /** Ranges of the chunks that are done, first and last. */
  chunks: ([number, number])[];
  created: number;
  updated: number;
  skipped: number;
  failed: number;
  /** The first chunks that are done and have rows that were refused; sent again, they say why. */
  failedChunks: number[];
}

/** The results of the rows; in a dry run, the results that they would have. */
export interface ImportReply {
  success: number;
  failed: number;
  results: ImportedRow[];
}

export interface ImportStatus {
  importId: string;
}

/** What a step of an undo did. */
export interface ImportUndone {
  importId: string;
  /** The position up to which the log was looked through. */
  after: number;
  /** The position up to which it is to be looked through. */
  until: number;
  /** Users that the step erased. */
  undone: number;
  /** Users that were erased before, by an earlier undo or by another command. */
  gone: number;
  kept: KeptUser[];
}

/** Rows of an import, or a chunk of one. A row that is refused stops no other. */
export interface ImportUsers {
  /** Each as `ImportedUser`. */
  users: ImportedUser[];
  /** Of the job that the chunk belongs to. */
  importId?: string | null;
  /**
   * A chunk that is repeated changes nothing, and gets the same answer; with other rows or another `onConflict` it is
   * refused (`validation_failed`, field `importId`). Of one that was done over 24 h ago only who was created is known:
   * other rows are answered `skipped`, with the error `command_not_found`.
   */
  chunk?: number | null;
  /** Check the rows, and change nothing. */
  dryRun?: boolean;
  /**
   * A row whose e-mail address or external id belongs to a user already: `fail` refuses it, `skip` leaves the user
   * as they are, `update` changes the user with that e-mail address to what the row says. What users or operators have
   * decided since an import is never changed.
   */
  onConflict?: OnConflict;
  /**
   * `unsupported` creates a user whose `passwordHash` cannot be taken without a password, and says so in `changed`:
   * the user resets the password by mail. With `none` such a row is refused (`validation_failed`, `passwordHash`).
   */
  withoutHashes?: WithoutUnsupportedHashes;
}

/** The result of one row. */
export interface ImportedRow {
  /** In `users`, from 0. */
  index: number;
  status: ImportOutcome;
  userId?: string;
  error?: ErrorBody;
  /** Of an updated user: the fields that are not as in the row, because users or operators decided on them. */
  notChanged?: string[];
  /** Of a user who was created: `passwordHash` where the hash is weak, or was left out. */
  changed?: ChangedField[];
}

/** A row of an import: a user as another system had them. */
export interface ImportedUser {
  email: string;
  password?: string | null;
  /** Modular crypt or PHC string, Django's, LDAP's; its cost is bounded. */
  passwordHash?: string | null;
  /** Without it the user is `PENDING_VERIFICATION`, and can sign in once the address is verified. */
  emailVerified?: boolean;
  /** The id that your own system gave the user. No two users have the same. */
  externalId?: string | null;
  profile?: ProfileInput;
  /** Free JSON, at most 16 KiB. The user may change it too. */
  metadata?: Metadata;
  /** Free JSON, at most 16 KiB. Only back ends change it. */
  appMetadata?: Metadata;
  /** Of an export of Denizen's: kept where no user has it or ever had it. */
  id?: string | null;
  /** BLOCKED and DEACTIVATED are taken over; the rest follows from `emailVerified`. */
  status?: Status;
  passwordChangeRequired?: boolean;
  createdAt?: string | null;
  /** Not before `createdAt`. By default the time of the import; identities and blocks without a time get it too. */
  updatedAt?: string | null;
  /** For a user who is BLOCKED, or was BLOCKED when they were DEACTIVATED. Not after `updatedAt`, like `linkedAt`. */
  blockedAt?: string | null;
  /** When the block ends by itself. One that has passed ends it at once. */
  blockedUntil?: string | null;
  identities?: LinkedIdentity[];
}

/** An Ed25519 public key (RFC 8037). */
export interface Jwk {
  kty: string;
  crv: string;
  x: string;
  kid: string;
  use: string;
  alg: string;
}

export interface Jwks {
  keys: Jwk[];
}

/** A user that an undo did not take back. */
export interface KeptUser {
  userId: string;
  /**
   * The type of the event that says they are in use: `LoginSucceeded`, or the first change that was not the
   * import's.
   */
  because: string;
}

export interface LinkIdentity {
  userId: string;
  provider: string;
  /** The user's id at the provider. */
  providerId: string;
  /** Accepted, but neither used nor kept: Denizen sends no request to providers. */
  accessToken?: string | null;
}

export interface LinkMyIdentity {
  currentPassword?: string | null;
  provider: string;
  providerId: string;
  accessToken?: string | null;
}

/** Of a row of an import. */
export interface LinkedIdentity {
  provider: string;
  providerId: string;
  linkedAt?: string | null;
}

/** In the order in which they were linked. */
export interface ListIdentities {
  userId: string;
}

export type ListMyIdentities = Record<string, never>;

/** As ListSessions. */
export type ListMySessions = Record<string, never>;

/** Newest first, at most a thousand, and at most as many as fit into one message. */
export interface ListSessions {
  userId: string;
}

/** A page of users. Pages that follow `nextCursor` show each remaining user once, whatever is created or deleted. */
export interface ListUsers {
  /**
   * At most: a page ends before it grows larger than a message, or before its search takes long, even empty; then
   * `nextCursor` leads on.
   */
  count?: number;
  /**
   * Users to skip; not together with `cursor`. For the next page add the length of `data`, not `count`: a page can be
   * `truncated`. Where it is given, a search takes the time that a full page takes.
   */
  offset?: number;
  /** `nextCursor` of the page before, which was asked for with the same sort, search and status. */
  cursor?: string | null;
  status?: Status;
  /**
   * Words, at most 8, each of them part of the e-mail address or of a name, whatever its case and accents; one or two
   * letters begin a word there. The user with exactly this address or external id comes first.
   */
  search?: string | null;
  sort?: Sort;
}

/** Ends the session of the access token. */
export type LogOut = Record<string, never>;

/** An attempt to sign in. */
export interface Login {
  time: string;
  /** `succeeded`, or the code of the refusal. */
  outcome: string;
  ip: string | null;
  userAgent: string | null;
}

/** Attempts to sign in, newest first; iterates over `data`. */
export interface LoginHistory {
  data: Login[];
  nextCursor: string | null;
}

/** As CommandReply, for front ends and signed-in users. */
export interface OpaqueCommandReply {
  user: User;
  version: number;
  position: string;
}

/** As Deleted, for signed-in users. */
export interface OpaqueDeleted {
  userId: string;
  position: string;
}

/** As RegisterReply, for front ends. */
export interface OpaqueRegisterReply {
  user?: User;
  version?: number;
  position?: string;
}

/** It is stored. */
export type ParkedEventSet = Record<string, never>;

/** Names, picture, language and time zone of a user. In an update, a field sent as null is removed. */
export interface Profile {
  firstName?: string;
  lastName?: string;
  displayName?: string;
  /** An http or https URL. */
  picture?: string;
  /** BCP 47 language tag. */
  locale?: string;
  /** IANA time zone name. */
  timezone?: string;
}

/** A profile in a request: no other fields than these. */
export interface ProfileInput {
  firstName?: string | null;
  lastName?: string | null;
  displayName?: string | null;
  /** An http or https URL. */
  picture?: string | null;
  /** BCP 47 language tag. */
  locale?: string | null;
  /** IANA time zone name. */
  timezone?: string | null;
}

export interface ReactivateUser {
  userId: string;
}

/** A refresh token is for one use. Within 10 s another use gets the same tokens; later it ends the session. */
export interface RefreshSession {
  refreshToken: string;
}

/** Self-registration. The address is to be verified. */
export interface Register {
  email: string;
  password: string;
  profile?: ProfileInput;
}

/** The user; in the discreet setting nothing, whether or not the address was free. */
export interface RegisterReply {
  user?: User;
  version?: number;
  position?: number;
}

/** An operator sets the password. It never unblocks the user. */
export interface ResetPassword {
  userId: string;
  password: string;
  /** Signing in with this password is refused with `password_change_required` until ChangePassword. */
  requireChange?: boolean;
}

export interface RevokeMySession {
  sessionId: string;
}

export interface RevokeSession {
  userId: string;
  sessionId: string;
}

/** Ends every session of a user. */
export interface RevokeSessions {
  userId: string;
}

export interface SealingKey {
  keyId: string;
  /** X25519, 32 octets, base64url without padding. */
  publicKey: string;
}

/** The answer does not reveal whether a user has the address. */
export interface SendPasswordResetEmail {
  email: string;
}

/** Sends a code to the address that is to be verified: the new one where ChangeEmail named one. */
export interface SendVerificationEmail {
  userId: string;
}

/** A session: one device or browser on which the user is signed in. */
export interface Session {
  id: string;
  createdAt: string;
  refreshedAt: string;
  expiresAt: string;
  ip: string | null;
  userAgent: string | null;
  /** The session of the access token that asks. */
  current: boolean;
}

/** The live sessions of a user; iterates over `data`. */
export interface SessionList {
  data: Session[];
}

/** Store what becomes of an event that the durable gave up on; the newest message about an event counts. */
export interface SetParkedEvent {
  /** `retry`: the subscription is to handle it once more. `done`: it was handled, and is parked no more. */
  state: ParkedState;
  /** Of the event in the log. */
  position: number;
  /** Of the event on the stream. */
  sequence: number;
  /** How often it was delivered to a handler. */
  tries: number;
  /** The name of the exception's class, never its text, which may hold personal data. */
  error?: string | null;
  /** When it was parked. */
  at: string;
  /**
   * The number of the newest message about this event on USERS_PARKED; another one is refused with
   * `version_conflict`.
   */
  replaces?: number | null;
}

/** A session and its tokens. */
export interface SignedIn {
  /** JWT, Ed25519: `sub` is the user, `sid` the session. */
  accessToken: string;
  refreshToken: string;
  /** Seconds that the access token lives. */
  expiresIn: number;
  sessionId: string;
  user: User;
}

/** The user and the session of an access token. */
export interface TokenFacts {
  userId: string;
  sessionId: string;
  expiresAt: string;
}

export interface UnblockUser {
  userId: string;
}

/** A step of taking an import back. Begin without `after`, and go on with that of the reply until it is `until`. */
export interface UndoImport {
  importId: string;
  after?: number;
}

export interface UnlinkIdentity {
  userId: string;
  provider: string;
  providerId: string;
}

export interface UnlinkMyIdentity {
  currentPassword?: string | null;
  provider: string;
  providerId: string;
}

export interface UpdateMe {
  profile?: ProfileInput;
  metadata?: Metadata;
}

/** Absent fields stay. profile, metadata and appMetadata merge at their top level, where null removes a key. */
export interface UpdateUser {
  userId: string;
  profile?: ProfileInput;
  metadata?: Metadata;
  appMetadata?: Metadata;
  /** Null removes it. */
  externalId?: string | null;
}

/** A user as Denizen shows it. A command does not read the login figures: in its reply the three are null. */
export interface User {
  id: string;
  /** The id that your own system gave the user. No two users have the same. */
  externalId: string | null;
  email: string;
  /** The user has proved that they read the mailbox, or a back end said so. */
  emailVerified: boolean;
  /** Only an `ACTIVE` user can sign in. */
  status: Status;
  profile: Profile;
  /** Free JSON, at most 16 KiB. The user may change it too. */
  metadata: Metadata;
  /** Free JSON, at most 16 KiB. Only back ends change it. */
  appMetadata: Metadata;
  identities: Identity[];
  /** The user must set another password before the next sign-in. */
  passwordChangeRequired: boolean;
  /** How often the user has signed in. */
  loginCount: number | null;
  lastLoginAt: string | null;
  lastLoginIp: string | null;
  createdAt: string;
  updatedAt: string;
  /** When the user was blocked; null for a user who is not. */
  blockedAt: string | null;
  /** When the block ends by itself; null for a user who is not blocked, or whose block has no end. */
  blockedUntil: string | null;
  /** The number of events on the user, for `Denizen-Expected-Version`; sign-ins do not count. */
  version: number;
}

/** An event of a user: what changed, when, by whom. */
export interface UserChange {
  position: number;
  time: string;
  type: string;
  actor: string | null;
  commandId: string | null;
  changes: FieldChange[];
  /** Of a block, where one was given; of a new password, how it came about; `ended` where a block ended by itself. */
  reason: string | null;
}

/** The events of a user, newest first; iterates over `data`. */
export interface UserHistory {
  data: UserChange[];
  nextCursor: string | null;
}

/** A page of users; iterates over `data`. */
export interface UserList {
  data: User[];
  /** How many there are on all pages. */
  total: number;
  /** More than about 2,000 have what is searched for among their words: `total` is then about how many are found. */
  totalIsEstimate: boolean;
  nextCursor: string | null;
  /**
   * The page ends before `count` users, because it would be larger than a message: its rest begins at `nextCursor`,
   * or, by offsets, at `offset` and the length of `data`.
   */
  truncated?: boolean;
}

/** Takes either code of the newest mail, and uses up both. */
export interface VerifyEmail {
  userId: string;
  /** The six digits, which can be tried five times; or the long code, which wrong tries do not use up. */
  code: string;
}

/** Is an access token good, and its session still alive? */
export interface VerifyToken {
  token: string;
}

export type EventType = "UserCreated" | "UserUpdated" | "UserCorrected" | "EmailChanged" | "EmailVerificationRequested" | "EmailVerified" | "EmailUnverified" | "PasswordChanged" | "PasswordResetRequested" | "UserBlocked" | "UserUnblocked" | "UserDeactivated" | "UserReactivated" | "UserDeleted" | "IdentityLinked" | "IdentityUnlinked" | "LoginSucceeded" | "LoginFailed" | "SessionsRevoked";
export const EVENT_TYPES = ["UserCreated", "UserUpdated", "UserCorrected", "EmailChanged", "EmailVerificationRequested", "EmailVerified", "EmailUnverified", "PasswordChanged", "PasswordResetRequested", "UserBlocked", "UserUnblocked", "UserDeactivated", "UserReactivated", "UserDeleted", "IdentityLinked", "IdentityUnlinked", "LoginSucceeded", "LoginFailed", "SessionsRevoked"] as const;

export type ExportFormat = "csv" | "jsonl" | "json";
export const EXPORT_FORMATS = ["csv", "jsonl", "json"] as const;

export type FirstFollowed = "first" | "new";
export const FIRST_FOLLOWEDS = ["first", "new"] as const;

export type ImportOutcome = "created" | "updated" | "skipped" | "failed";
export const IMPORT_OUTCOMES = ["created", "updated", "skipped", "failed"] as const;

export type OnConflict = "fail" | "skip" | "update";
export const ON_CONFLICTS = ["fail", "skip", "update"] as const;

export type ParkedState = "parked" | "retry" | "done";
export const PARKED_STATES = ["parked", "retry", "done"] as const;

export type Sort = "-createdAt" | "createdAt" | "email" | "-email" | "name" | "-name";
export const SORTS = ["-createdAt", "createdAt", "email", "-email", "name", "-name"] as const;

export type Status = "ACTIVE" | "PENDING_VERIFICATION" | "BLOCKED" | "DEACTIVATED";
export const STATUSES = ["ACTIVE", "PENDING_VERIFICATION", "BLOCKED", "DEACTIVATED"] as const;

export type WithoutUnsupportedHashes = "none" | "unsupported";
export const WITHOUT_UNSUPPORTED_HASHESES = ["none", "unsupported"] as const;

/** Free JSON, at most 16 KiB, 8 levels deep. */
export type Metadata = { [key: string]: unknown };
