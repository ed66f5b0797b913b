/// <reference lib="esnext.disposable" preserve="true" />

/** The client of Denizen for Node, Deno and Bun. */

export { Auth, Client } from "./client.js";
export type { Event } from "./event.js";
export type { Events, SubscribeOptions } from "./events.js";
export type { ExportOptions, UserExport } from "./exporting.js";
export * from "./generated/errors.js";
export type * from "./generated/messages.js";
export type { ImportOptions, ImportResult, ImportSummary } from "./importing.js";
export type { Me, Proof } from "./me.js";
export type { ClientOptions } from "./node.js";
export type { ParkedEvent } from "./parking.js";
export type { Sessions, SignIn } from "./sessions.js";
export type { Start } from "./starting.js";
export type { Handler, OnError, Subscription } from "./subscription.js";
export type { TokenClaims } from "./tokens.js";
export type { CommandOptions, QueryOptions } from "./transport.js";
export type { UndoOptions, UndoSummary } from "./undoing.js";
export type { Page, Undisclosed, Users } from "./users.js";
export { TokenVerifier, type TokenVerifierOptions } from "./verifier.js";
