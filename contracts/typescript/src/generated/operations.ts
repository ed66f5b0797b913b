// Made by `make contract` from contracts/denizen. Change the Python side instead.

import type { Accepted, Authenticate, BlockUser, ChangeEmail, ChangeMyEmail, ChangeMyPassword, ChangePassword, CommandReply, ConfirmPasswordReset, CreateUser, DeactivateUser, DeleteMe, DeleteUser, Deleted, ExportUsers, ExportUsersWithHashes, FollowEvents, Followed, GetJwks, GetLoginHistory, GetMe, GetMyLoginHistory, GetSealingKey, GetUser, GetUserByEmail, GetUserByExternalId, GetUserHistory, IdentityList, ImportProgress, ImportReply, ImportStatus, ImportUndone, ImportUsers, Jwks, LinkIdentity, LinkMyIdentity, ListIdentities, ListMyIdentities, ListMySessions, ListSessions, ListUsers, LogOut, LoginHistory, OpaqueCommandReply, OpaqueDeleted, OpaqueRegisterReply, ParkedEventSet, ReactivateUser, RefreshSession, Register, RegisterReply, ResetPassword, RevokeMySession, RevokeSession, RevokeSessions, SealingKey, SendPasswordResetEmail, SendVerificationEmail, SessionList, SetParkedEvent, SignedIn, TokenFacts, UnblockUser, UndoImport, UnlinkIdentity, UnlinkMyIdentity, UpdateMe, UpdateUser, User, UserHistory, UserList, VerifyEmail, VerifyToken } from "./messages.js";
import type { ErrorCode } from "./errors.js";

/** The body and the reply of each operation, by its id. A piece of an export is octets. */
export interface Operations {
  /** Create a user. */
  CreateUser: { request: CreateUser; reply: CommandReply };
  /** Register a person. */
  Register: { request: Register; reply: RegisterReply };
  /** Change profile, metadata or external id. */
  UpdateUser: { request: UpdateUser; reply: CommandReply };
  /** Ask for another address, which must then be verified. */
  ChangeEmail: { request: ChangeEmail; reply: CommandReply };
  /** Mail a code to the address that must be verified. */
  SendVerificationEmail: { request: SendVerificationEmail; reply: CommandReply };
  /** Verify an address with a code that was mailed to it. */
  VerifyEmail: { request: VerifyEmail; reply: CommandReply };
  /** Change a password by the current one; ends every session. */
  ChangePassword: { request: ChangePassword; reply: CommandReply };
  /** Set a password; ends every session. */
  ResetPassword: { request: ResetPassword; reply: CommandReply };
  /** Mail a token by which the password can be set. */
  SendPasswordResetEmail: { request: SendPasswordResetEmail; reply: Accepted };
  /** Set a password by the token that was mailed; ends every session. */
  ConfirmPasswordReset: { request: ConfirmPasswordReset; reply: CommandReply };
  /** Block a user, from any status; ends every session. */
  BlockUser: { request: BlockUser; reply: CommandReply };
  /** Return a blocked user to the status before the block. */
  UnblockUser: { request: UnblockUser; reply: CommandReply };
  /** Deactivate a user, from any status; ends every session. */
  DeactivateUser: { request: DeactivateUser; reply: CommandReply };
  /** Return a deactivated user to the status before. */
  ReactivateUser: { request: ReactivateUser; reply: CommandReply };
  /** Link an account at another provider. */
  LinkIdentity: { request: LinkIdentity; reply: CommandReply };
  /** Unlink an account at another provider. */
  UnlinkIdentity: { request: UnlinkIdentity; reply: CommandReply };
  /** Import users, or a chunk of them. */
  ImportUsers: { request: ImportUsers; reply: ImportReply };
  /** Progress of an import. */
  ImportStatus: { request: ImportStatus; reply: ImportProgress };
  /** Erase the users that an import created and no one has used or changed, in steps. */
  UndoImport: { request: UndoImport; reply: ImportUndone };
  /** Erase a user. */
  DeleteUser: { request: DeleteUser; reply: Deleted };
  /** Sign in by password. */
  Authenticate: { request: Authenticate; reply: SignedIn };
  /** Exchange a refresh token for new tokens. */
  RefreshSession: { request: RefreshSession; reply: SignedIn };
  /** End a session. */
  RevokeSession: { request: RevokeSession; reply: CommandReply };
  /** End every session of a user. */
  RevokeSessions: { request: RevokeSessions; reply: CommandReply };
  /** Register a person. */
  PublicRegister: { request: Register; reply: OpaqueRegisterReply };
  /** Sign in by password. */
  PublicAuthenticate: { request: Authenticate; reply: SignedIn };
  /** Exchange a refresh token for new tokens. */
  PublicRefreshSession: { request: RefreshSession; reply: SignedIn };
  /** Verify an address with a code that was mailed to it. */
  PublicVerifyEmail: { request: VerifyEmail; reply: OpaqueCommandReply };
  /** Mail a code to the address that must be verified. */
  PublicSendVerificationEmail: { request: SendVerificationEmail; reply: Accepted };
  /** Mail a token by which the password can be set. */
  PublicSendPasswordResetEmail: { request: SendPasswordResetEmail; reply: Accepted };
  /** Set a password by the token that was mailed; ends every session. */
  PublicConfirmPasswordReset: { request: ConfirmPasswordReset; reply: OpaqueCommandReply };
  /** The user of the token. */
  SelfGetMe: { request: GetMe; reply: User };
  /** Change own profile or metadata. */
  SelfUpdateUser: { request: UpdateMe; reply: OpaqueCommandReply };
  /** Ask for another address, which must then be verified. */
  SelfChangeEmail: { request: ChangeMyEmail; reply: OpaqueCommandReply };
  /** Change own password; ends every session. */
  SelfChangePassword: { request: ChangeMyPassword; reply: OpaqueCommandReply };
  /** Own sessions. */
  SelfListSessions: { request: ListMySessions; reply: SessionList };
  /** End one of the own sessions. */
  SelfRevokeSession: { request: RevokeMySession; reply: OpaqueCommandReply };
  /** End the session of the token. */
  SelfLogOut: { request: LogOut; reply: OpaqueCommandReply };
  /** Own identities. */
  SelfListIdentities: { request: ListMyIdentities; reply: IdentityList };
  /** Link own account at another provider. */
  SelfLinkIdentity: { request: LinkMyIdentity; reply: OpaqueCommandReply };
  /** Unlink own account at another provider. */
  SelfUnlinkIdentity: { request: UnlinkMyIdentity; reply: OpaqueCommandReply };
  /** Own attempts to sign in. */
  SelfGetLoginHistory: { request: GetMyLoginHistory; reply: LoginHistory };
  /** Erase own account. */
  SelfDeleteUser: { request: DeleteMe; reply: OpaqueDeleted };
  /** A user by id. */
  GetUser: { request: GetUser; reply: User };
  /** A user by e-mail address, in any case. */
  GetUserByEmail: { request: GetUserByEmail; reply: User };
  /** A user by the id that your system gave them. */
  GetUserByExternalId: { request: GetUserByExternalId; reply: User };
  /** A page of users: searched, sorted, by offset or cursor. */
  ListUsers: { request: ListUsers; reply: UserList };
  /** The sessions of a user. */
  ListSessions: { request: ListSessions; reply: SessionList };
  /** The linked accounts of a user. */
  ListIdentities: { request: ListIdentities; reply: IdentityList };
  /** Changes of a user, newest first, with actor. */
  GetUserHistory: { request: GetUserHistory; reply: UserHistory };
  /** A user's attempts to sign in, newest first. */
  GetLoginHistory: { request: GetLoginHistory; reply: LoginHistory };
  /** A file of users, piece by piece. */
  ExportUsers: { request: ExportUsers; reply: Uint8Array };
  /** A file of users with the hashes of their passwords. */
  ExportUsersWithHashes: { request: ExportUsersWithHashes; reply: Uint8Array };
  /** Check that an access token is valid and its session alive. */
  VerifyToken: { request: VerifyToken; reply: TokenFacts };
  /** The keys that access tokens are signed with. */
  GetJwks: { request: GetJwks; reply: Jwks };
  /** The key that secrets in requests are sealed for. */
  GetSealingKey: { request: GetSealingKey; reply: SealingKey };
  /** Make the durable that the subject names, where it does not exist yet. */
  FollowEvents: { request: FollowEvents; reply: Followed };
  /** Park an event, have a parked one retried, or say that it was handled. */
  SetParkedEvent: { request: SetParkedEvent; reply: ParkedEventSet };
}

export type OperationId = keyof Operations;
export type OperationKind = "command" | "public" | "self" | "query" | "subscriber";

export interface Operation {
  /** As in the subject. */
  readonly name: string;
  /** Who asks: a back end (`command`, `query`), a front end (`public`, `self`), a subscriber. */
  readonly kind: OperationKind;
  /** Of a subscriber's operation, `*` stands for its durable. */
  readonly subject: string;
  /** It changes nothing, and so may be repeated without a command id. */
  readonly reads: boolean;
  /** A repeat with the same `Nats-Msg-Id` is done once, and gets the first reply. */
  readonly takesCommandId: boolean;
  /** Its reply shows at least what `Denizen-Min-Position` names. */
  readonly takesMinPosition: boolean;
  /** The fields of the body. */
  readonly fields: readonly string[];
  /** The fields of the body that are sealed before they are sent. */
  readonly secrets: readonly string[];
  /** The codes of its errors. */
  readonly codes: readonly ErrorCode[];
  /** The size of the largest body. */
  readonly octets: number;
}

/** Every operation, by id. */
export const OPERATIONS: Readonly<Record<OperationId, Operation>> = {
  CreateUser: {
    name: "CreateUser",
    kind: "command",
    subject: "users.v1.command.CreateUser",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["email", "password", "passwordHash", "emailVerified", "externalId", "profile", "metadata", "appMetadata"],
    secrets: ["password", "passwordHash"],
    codes: ["deadline_exceeded", "email_taken", "external_id_taken", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict", "weak_password"],
    octets: 65536,
  },
  Register: {
    name: "Register",
    kind: "command",
    subject: "users.v1.command.Register",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["email", "password", "profile"],
    secrets: ["password"],
    codes: ["deadline_exceeded", "email_taken", "internal", "malformed_message", "overloaded", "too_many_attempts", "user_not_found", "validation_failed", "version_conflict", "weak_password"],
    octets: 65536,
  },
  UpdateUser: {
    name: "UpdateUser",
    kind: "command",
    subject: "users.v1.command.UpdateUser",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "profile", "metadata", "appMetadata", "externalId"],
    secrets: [],
    codes: ["deadline_exceeded", "external_id_taken", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  ChangeEmail: {
    name: "ChangeEmail",
    kind: "command",
    subject: "users.v1.command.ChangeEmail",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "email"],
    secrets: [],
    codes: ["deadline_exceeded", "email_taken", "internal", "invalid_transition", "malformed_message", "overloaded", "too_many_attempts", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  SendVerificationEmail: {
    name: "SendVerificationEmail",
    kind: "command",
    subject: "users.v1.command.SendVerificationEmail",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "invalid_transition", "malformed_message", "overloaded", "too_many_attempts", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  VerifyEmail: {
    name: "VerifyEmail",
    kind: "command",
    subject: "users.v1.command.VerifyEmail",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "code"],
    secrets: ["code"],
    codes: ["code_invalid", "deadline_exceeded", "email_taken", "internal", "malformed_message", "overloaded", "too_many_attempts", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  ChangePassword: {
    name: "ChangePassword",
    kind: "command",
    subject: "users.v1.command.ChangePassword",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "currentPassword", "newPassword"],
    secrets: ["currentPassword", "newPassword"],
    codes: ["deadline_exceeded", "internal", "invalid_credentials", "malformed_message", "overloaded", "too_many_attempts", "user_not_found", "validation_failed", "version_conflict", "weak_password"],
    octets: 65536,
  },
  ResetPassword: {
    name: "ResetPassword",
    kind: "command",
    subject: "users.v1.command.ResetPassword",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "password", "requireChange"],
    secrets: ["password"],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict", "weak_password"],
    octets: 65536,
  },
  SendPasswordResetEmail: {
    name: "SendPasswordResetEmail",
    kind: "command",
    subject: "users.v1.command.SendPasswordResetEmail",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["email"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "too_many_attempts", "validation_failed"],
    octets: 65536,
  },
  ConfirmPasswordReset: {
    name: "ConfirmPasswordReset",
    kind: "command",
    subject: "users.v1.command.ConfirmPasswordReset",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["token", "password"],
    secrets: ["password", "token"],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "token_invalid", "user_not_found", "validation_failed", "version_conflict", "weak_password"],
    octets: 65536,
  },
  BlockUser: {
    name: "BlockUser",
    kind: "command",
    subject: "users.v1.command.BlockUser",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "reason", "until"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  UnblockUser: {
    name: "UnblockUser",
    kind: "command",
    subject: "users.v1.command.UnblockUser",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "invalid_transition", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  DeactivateUser: {
    name: "DeactivateUser",
    kind: "command",
    subject: "users.v1.command.DeactivateUser",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  ReactivateUser: {
    name: "ReactivateUser",
    kind: "command",
    subject: "users.v1.command.ReactivateUser",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "invalid_transition", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  LinkIdentity: {
    name: "LinkIdentity",
    kind: "command",
    subject: "users.v1.command.LinkIdentity",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "provider", "providerId", "accessToken"],
    secrets: ["accessToken"],
    codes: ["deadline_exceeded", "identity_taken", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  UnlinkIdentity: {
    name: "UnlinkIdentity",
    kind: "command",
    subject: "users.v1.command.UnlinkIdentity",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "provider", "providerId"],
    secrets: [],
    codes: ["deadline_exceeded", "identity_not_found", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  ImportUsers: {
    name: "ImportUsers",
    kind: "command",
    subject: "users.v1.command.ImportUsers",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["users", "importId", "chunk", "dryRun", "onConflict", "withoutHashes"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "validation_failed"],
    octets: 1000000,
  },
  ImportStatus: {
    name: "ImportStatus",
    kind: "command",
    subject: "users.v1.command.ImportStatus",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["importId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "validation_failed"],
    octets: 65536,
  },
  UndoImport: {
    name: "UndoImport",
    kind: "command",
    subject: "users.v1.command.UndoImport",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["importId", "after"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "validation_failed"],
    octets: 65536,
  },
  DeleteUser: {
    name: "DeleteUser",
    kind: "command",
    subject: "users.v1.command.DeleteUser",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  Authenticate: {
    name: "Authenticate",
    kind: "command",
    subject: "users.v1.command.Authenticate",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["email", "password", "ip", "userAgent"],
    secrets: ["password"],
    codes: ["deadline_exceeded", "email_not_verified", "internal", "invalid_credentials", "malformed_message", "overloaded", "password_change_required", "too_many_attempts", "user_blocked", "user_deactivated", "validation_failed"],
    octets: 65536,
  },
  RefreshSession: {
    name: "RefreshSession",
    kind: "command",
    subject: "users.v1.command.RefreshSession",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["refreshToken"],
    secrets: ["refreshToken"],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "token_invalid", "validation_failed"],
    octets: 65536,
  },
  RevokeSession: {
    name: "RevokeSession",
    kind: "command",
    subject: "users.v1.command.RevokeSession",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "sessionId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  RevokeSessions: {
    name: "RevokeSessions",
    kind: "command",
    subject: "users.v1.command.RevokeSessions",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  PublicRegister: {
    name: "Register",
    kind: "public",
    subject: "users.v1.public.Register",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["email", "password", "profile"],
    secrets: ["password"],
    codes: ["deadline_exceeded", "email_taken", "internal", "malformed_message", "overloaded", "too_many_attempts", "user_not_found", "validation_failed", "version_conflict", "weak_password"],
    octets: 65536,
  },
  PublicAuthenticate: {
    name: "Authenticate",
    kind: "public",
    subject: "users.v1.public.Authenticate",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["email", "password", "ip", "userAgent"],
    secrets: ["password"],
    codes: ["deadline_exceeded", "email_not_verified", "internal", "invalid_credentials", "malformed_message", "overloaded", "password_change_required", "too_many_attempts", "user_blocked", "user_deactivated", "validation_failed"],
    octets: 65536,
  },
  PublicRefreshSession: {
    name: "RefreshSession",
    kind: "public",
    subject: "users.v1.public.RefreshSession",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["refreshToken"],
    secrets: ["refreshToken"],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "token_invalid", "validation_failed"],
    octets: 65536,
  },
  PublicVerifyEmail: {
    name: "VerifyEmail",
    kind: "public",
    subject: "users.v1.public.VerifyEmail",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId", "code"],
    secrets: ["code"],
    codes: ["code_invalid", "deadline_exceeded", "email_taken", "internal", "malformed_message", "overloaded", "too_many_attempts", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  PublicSendVerificationEmail: {
    name: "SendVerificationEmail",
    kind: "public",
    subject: "users.v1.public.SendVerificationEmail",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["userId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "invalid_transition", "malformed_message", "overloaded", "too_many_attempts", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  PublicSendPasswordResetEmail: {
    name: "SendPasswordResetEmail",
    kind: "public",
    subject: "users.v1.public.SendPasswordResetEmail",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["email"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "too_many_attempts", "validation_failed"],
    octets: 65536,
  },
  PublicConfirmPasswordReset: {
    name: "ConfirmPasswordReset",
    kind: "public",
    subject: "users.v1.public.ConfirmPasswordReset",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["token", "password"],
    secrets: ["password", "token"],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "token_invalid", "user_not_found", "validation_failed", "version_conflict", "weak_password"],
    octets: 65536,
  },
  SelfGetMe: {
    name: "GetMe",
    kind: "self",
    subject: "users.v1.self.GetMe",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: [],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "token_invalid", "unauthenticated", "validation_failed"],
    octets: 65536,
  },
  SelfUpdateUser: {
    name: "UpdateUser",
    kind: "self",
    subject: "users.v1.self.UpdateUser",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["profile", "metadata"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "token_invalid", "too_many_attempts", "unauthenticated", "user_blocked", "user_deactivated", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  SelfChangeEmail: {
    name: "ChangeEmail",
    kind: "self",
    subject: "users.v1.self.ChangeEmail",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["email", "currentPassword"],
    secrets: ["currentPassword"],
    codes: ["deadline_exceeded", "email_taken", "internal", "invalid_credentials", "invalid_transition", "malformed_message", "overloaded", "token_invalid", "too_many_attempts", "unauthenticated", "user_blocked", "user_deactivated", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  SelfChangePassword: {
    name: "ChangePassword",
    kind: "self",
    subject: "users.v1.self.ChangePassword",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["currentPassword", "newPassword"],
    secrets: ["currentPassword", "newPassword"],
    codes: ["deadline_exceeded", "internal", "invalid_credentials", "malformed_message", "overloaded", "token_invalid", "too_many_attempts", "unauthenticated", "user_blocked", "user_deactivated", "user_not_found", "validation_failed", "version_conflict", "weak_password"],
    octets: 65536,
  },
  SelfListSessions: {
    name: "ListSessions",
    kind: "self",
    subject: "users.v1.self.ListSessions",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: [],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "token_invalid", "unauthenticated", "validation_failed"],
    octets: 65536,
  },
  SelfRevokeSession: {
    name: "RevokeSession",
    kind: "self",
    subject: "users.v1.self.RevokeSession",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["sessionId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "token_invalid", "unauthenticated", "user_blocked", "user_deactivated", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  SelfLogOut: {
    name: "LogOut",
    kind: "self",
    subject: "users.v1.self.LogOut",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: [],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "token_invalid", "unauthenticated", "user_blocked", "user_deactivated", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  SelfListIdentities: {
    name: "ListIdentities",
    kind: "self",
    subject: "users.v1.self.ListIdentities",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: [],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "token_invalid", "unauthenticated", "validation_failed"],
    octets: 65536,
  },
  SelfLinkIdentity: {
    name: "LinkIdentity",
    kind: "self",
    subject: "users.v1.self.LinkIdentity",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["currentPassword", "provider", "providerId", "accessToken"],
    secrets: ["accessToken", "currentPassword"],
    codes: ["deadline_exceeded", "forbidden", "identity_taken", "internal", "invalid_credentials", "malformed_message", "overloaded", "token_invalid", "too_many_attempts", "unauthenticated", "user_blocked", "user_deactivated", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  SelfUnlinkIdentity: {
    name: "UnlinkIdentity",
    kind: "self",
    subject: "users.v1.self.UnlinkIdentity",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["currentPassword", "provider", "providerId"],
    secrets: ["currentPassword"],
    codes: ["deadline_exceeded", "forbidden", "identity_not_found", "internal", "invalid_credentials", "malformed_message", "overloaded", "token_invalid", "too_many_attempts", "unauthenticated", "user_blocked", "user_deactivated", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  SelfGetLoginHistory: {
    name: "GetLoginHistory",
    kind: "self",
    subject: "users.v1.self.GetLoginHistory",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["count", "cursor"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "token_invalid", "unauthenticated", "validation_failed"],
    octets: 65536,
  },
  SelfDeleteUser: {
    name: "DeleteUser",
    kind: "self",
    subject: "users.v1.self.DeleteUser",
    reads: false,
    takesCommandId: true,
    takesMinPosition: false,
    fields: ["currentPassword"],
    secrets: ["currentPassword"],
    codes: ["deadline_exceeded", "forbidden", "internal", "invalid_credentials", "malformed_message", "overloaded", "token_invalid", "too_many_attempts", "unauthenticated", "user_blocked", "user_deactivated", "user_not_found", "validation_failed", "version_conflict"],
    octets: 65536,
  },
  GetUser: {
    name: "GetUser",
    kind: "query",
    subject: "users.v1.query.GetUser",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["userId", "asOf"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "user_not_found", "validation_failed"],
    octets: 65536,
  },
  GetUserByEmail: {
    name: "GetUserByEmail",
    kind: "query",
    subject: "users.v1.query.GetUserByEmail",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["email"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "user_not_found", "validation_failed"],
    octets: 65536,
  },
  GetUserByExternalId: {
    name: "GetUserByExternalId",
    kind: "query",
    subject: "users.v1.query.GetUserByExternalId",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["externalId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "user_not_found", "validation_failed"],
    octets: 65536,
  },
  ListUsers: {
    name: "ListUsers",
    kind: "query",
    subject: "users.v1.query.ListUsers",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["count", "offset", "cursor", "status", "search", "sort"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "validation_failed"],
    octets: 65536,
  },
  ListSessions: {
    name: "ListSessions",
    kind: "query",
    subject: "users.v1.query.ListSessions",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["userId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "user_not_found", "validation_failed"],
    octets: 65536,
  },
  ListIdentities: {
    name: "ListIdentities",
    kind: "query",
    subject: "users.v1.query.ListIdentities",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["userId"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "user_not_found", "validation_failed"],
    octets: 65536,
  },
  GetUserHistory: {
    name: "GetUserHistory",
    kind: "query",
    subject: "users.v1.query.GetUserHistory",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["userId", "count", "cursor"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "user_not_found", "validation_failed"],
    octets: 65536,
  },
  GetLoginHistory: {
    name: "GetLoginHistory",
    kind: "query",
    subject: "users.v1.query.GetLoginHistory",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["userId", "count", "cursor"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "user_not_found", "validation_failed"],
    octets: 65536,
  },
  ExportUsers: {
    name: "ExportUsers",
    kind: "query",
    subject: "users.v1.query.ExportUsers",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["format", "fields", "filter", "raw"],
    secrets: [],
    codes: ["deadline_exceeded", "forbidden", "internal", "malformed_message", "overloaded", "stale_read", "validation_failed"],
    octets: 65536,
  },
  ExportUsersWithHashes: {
    name: "ExportUsersWithHashes",
    kind: "query",
    subject: "users.v1.query.ExportUsersWithHashes",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["format", "fields", "filter", "raw"],
    secrets: [],
    codes: ["deadline_exceeded", "forbidden", "internal", "malformed_message", "overloaded", "stale_read", "validation_failed"],
    octets: 65536,
  },
  VerifyToken: {
    name: "VerifyToken",
    kind: "query",
    subject: "users.v1.query.VerifyToken",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: ["token"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "token_invalid", "validation_failed"],
    octets: 65536,
  },
  GetJwks: {
    name: "GetJwks",
    kind: "query",
    subject: "users.v1.query.GetJwks",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: [],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "validation_failed"],
    octets: 65536,
  },
  GetSealingKey: {
    name: "GetSealingKey",
    kind: "query",
    subject: "users.v1.query.GetSealingKey",
    reads: true,
    takesCommandId: false,
    takesMinPosition: true,
    fields: [],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "stale_read", "validation_failed"],
    octets: 65536,
  },
  FollowEvents: {
    name: "FollowEvents",
    kind: "subscriber",
    subject: "users.v1.subscriber.FollowEvents.*",
    reads: false,
    takesCommandId: false,
    takesMinPosition: false,
    fields: ["types", "start", "startPosition", "startTime", "sequence", "parks"],
    secrets: [],
    codes: ["deadline_exceeded", "internal", "malformed_message", "overloaded", "validation_failed"],
    octets: 65536,
  },
  SetParkedEvent: {
    name: "SetParkedEvent",
    kind: "subscriber",
    subject: "users.v1.subscriber.SetParkedEvent.*",
    reads: false,
    takesCommandId: false,
    takesMinPosition: false,
    fields: ["state", "position", "sequence", "tries", "error", "at", "replaces"],
    secrets: [],
    codes: ["deadline_exceeded", "forbidden", "internal", "malformed_message", "overloaded", "validation_failed", "version_conflict"],
    octets: 65536,
  },
};
