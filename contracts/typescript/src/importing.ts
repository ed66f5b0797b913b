/** `client.auth.users.import`: many users, as a job. */

import * as arguments_ from "./arguments.js";
import { Bounds } from "./bounds.js";
import { MalformedMessage, ValidationFailed } from "./errors.js";
import type { ChangedField, ImportedRow, ImportedUser, ImportProgress, ImportReply } from "./generated/messages.js";
import { toJson } from "./json.js";
import { Rehearsal } from "./rehearsal.js";
import type { Transport } from "./transport.js";

export type { ImportedUser } from "./generated/messages.js";

const ROWS = 500;
/** Rows that one with a password counts for: hashing it takes longer than so many rows do. */
const PLAIN = 20;
/** Octets of a chunk: NATS passes messages of 1 MB. */
const OCTETS = 800_000;
const IN_FLIGHT = 3;
/** How long a chunk is tried, over an outage of Denizen's too. */
const CHUNK_MILLISECONDS = 300_000;
/** How long one answer is waited for. A chunk that is sent again while it still waits there is answered. */
const TRY_MILLISECONDS = 5000;
const SHOWN = 1000;
const NO_FILES = "files, and exports of other systems, are read by `denizen import` and by the Python client";

/** The options of an import. */
export interface ImportOptions {
  /** Names the job: the same users under the same name go on where the job stopped, within 24 h. */
  importId?: string;
  /** Check all, change nothing. */
  dryRun?: boolean;
  /** What to do with a row whose address a user has already. */
  onConflict?: "fail" | "skip" | "update";
  /** Whether the addresses count as verified: all, none, or as each row says (`as-given`, the default). */
  verified?: "all" | "none" | "as-given";
  /**
   * Whose password hash is left out, so that they reset the password by mail: `none` (the default), `unsupported` (those
   * whose hash Denizen cannot take; else their row is refused), or `all`.
   */
  withoutHashes?: "none" | "unsupported" | "all";
  /** How many results an earlier run of the job has told; they are not told again. */
  told?: number;
  /** Called with each row's result, in the order of the rows. */
  onResult?: (result: ImportResult) => void;
  /** Called after each chunk. */
  onProgress?: (summary: ImportSummary) => void;
  signal?: AbortSignal;
}

const OPTIONS = [
  ...(["importId", "dryRun", "onConflict", "verified", "withoutHashes", "told"] as const),
  ...(["onResult", "onProgress", "signal"] as const),
];

/** What became of a row. `row`: its number, from 1. */
export type ImportResult = Omit<ImportedRow, "index"> & { row: number };

/** The results of an import, counted. */
export class ImportSummary {
  readonly importId: string;
  created = 0;
  updated = 0;
  skipped = 0;
  failed = 0;
  /** Rows that an earlier run of the same job had sent. */
  before = 0;
  /** Updated users who are not wholly as in their rows (`notChanged` of the result). */
  notChanged = 0;
  /** Of the first thousand rows that failed and, in imports of at most a thousand rows, of all. */
  results: ImportResult[] = [];

  constructor(importId: string) {
    this.importId = importId;
  }

  /** Rows that did not fail. */
  get success(): number {
    return this.created + this.updated + this.skipped;
  }

  get rows(): number {
    return this.success + this.failed;
  }

  /** Count a row, unless an earlier run has counted it, and keep its result as far as there is room. */
  add(result: ImportResult, isCounted: boolean): void {
    if (!isCounted) {
      this[result.status] += 1;
      if (result.notChanged !== undefined && result.notChanged.length > 0) this.notChanged += 1;
    } else if (result.status !== "failed") return;
    if (this.rows === SHOWN + 1) this.results = this.results.filter((each) => each.status === "failed");
    if (this.results.length < SHOWN && (this.rows <= SHOWN || result.status === "failed")) this.results.push(result);
  }
}

interface Row {
  row: number;
  user: ImportedUser;
  /** What the import says of the user in the place of the row. */
  changed: ChangedField[];
}

/** Rows that are sent together. The same users give the same chunks, so that a job that goes on knows which are done. */
class Chunk {
  readonly number: number;
  readonly rows: Row[] = [];
  /** Rows that are not sent. */
  readonly bad: ImportResult[] = [];
  octets = 0;
  weight = 0;

  constructor(number: number) {
    this.number = number;
  }

  /** Whether a row of so many octets belongs to the next chunk. */
  isFullFor(octets: number): boolean {
    return this.weight >= ROWS || this.octets >= OCTETS || (this.octets > 0 && this.octets + octets > OCTETS);
  }

  /** The number of its last row. */
  get end(): number {
    return Math.max(this.rows.at(-1)?.row ?? 0, this.bad.at(-1)?.row ?? 0);
  }

  add({ row, user, changed }: Row, octets: number): void {
    this.weight += isPlain(user?.password) ? PLAIN : 1;
    if (octets > OCTETS) {
      this.refuse(row, "malformed_message", `the row is longer than ${OCTETS} octets`);
    } else {
      this.rows.push({ row, user, changed });
      this.octets += octets;
    }
  }

  refuse(row: number, code: string, message: string, field?: string): void {
    const error = { code, message, ...(field === undefined ? {} : { field }) };
    this.bad.push({ row, status: "failed", error });
  }
}

async function* chunksOf(
  users: Iterable<ImportedUser> | AsyncIterable<ImportedUser>,
  options: ImportOptions,
): AsyncGenerator<Chunk> {
  let chunk = new Chunk(0);
  let row = 0;
  for await (const given of users) {
    if (ArrayBuffer.isView(given)) throw new TypeError(`users: yields octets, not users; ${NO_FILES}`);
    row += 1;
    const { user, changed } = asTheImportSays(given, options);
    const { octets, error } = measured(user);
    if (chunk.isFullFor(octets)) {
      yield chunk;
      chunk = new Chunk(chunk.number + 1);
    }
    if (error === undefined) {
      chunk.add({ row, user, changed }, octets);
    } else {
      chunk.weight += 1;
      chunk.refuse(row, error.code, error.message, error.field);
    }
  }
  yield chunk;
}

function measured(user: unknown): { octets: number; error?: MalformedMessage } {
  try {
    if (typeof user !== "object" || user === null || Array.isArray(user)) {
      throw new MalformedMessage("the row is not an object");
    }
    return { octets: new TextEncoder().encode(toJson(user)).length };
  } catch (error) {
    if (error instanceof MalformedMessage) return { octets: 0, error };
    throw error;
  }
}

/** A row as `verified` and `withoutHashes` say, and what they changed. A row that is no object stays as it is. */
function asTheImportSays(given: ImportedUser, { verified, withoutHashes }: ImportOptions): Omit<Row, "row"> {
  const isObject = typeof given === "object" && given !== null && !Array.isArray(given);
  if (!isObject || (verified !== "all" && verified !== "none" && withoutHashes !== "all")) {
    return { user: given, changed: [] };
  }
  const user = { ...given };
  const changed: ChangedField[] = [];
  if (withoutHashes === "all") {
    const isHash = typeof user.password === "string" && user.password.startsWith("hashed:");
    if (isHash || "passwordHash" in user) {
      changed.push({ field: "passwordHash", message: "left out, because the import says so of all hashes" });
    }
    if (isHash) delete user.password;
    delete user.passwordHash;
  }
  if (verified === "all" || verified === "none") {
    const flag = verified === "all";
    if (user.emailVerified !== flag && (flag || (user.emailVerified ?? undefined) !== undefined)) {
      const message = `set to ${flag}, because the import says so of all addresses`;
      changed.push({ field: "emailVerified", message });
    }
    user.emailVerified = flag;
  }
  return { user, changed };
}

function isPlain(password: unknown): password is string {
  return typeof password === "string" && password !== "" && !password.startsWith("hashed:");
}

/** Import users. Throws DenizenError where a chunk is not taken for five minutes: begin the job again later. */
export async function importUsers(
  transport: Transport,
  users: Iterable<ImportedUser> | AsyncIterable<ImportedUser>,
  options?: ImportOptions,
): Promise<ImportSummary> {
  for (const name of ["preset", "format"]) {
    if (options !== undefined && Object.hasOwn(options, name)) throw new TypeError(`${name}: ${NO_FILES}`);
  }
  const known = arguments_.options(options, OPTIONS); // A `dryRun` that is misspelt would change users.
  oneOf("verified", known.verified, ["all", "none", "as-given"]);
  oneOf("withoutHashes", known.withoutHashes, ["none", "unsupported", "all"]);
  if (known.told !== undefined) arguments_.whole("told", known.told);
  if (ArrayBuffer.isView(users)) throw new TypeError(`users: are octets, not users; ${NO_FILES}`);
  return new Import(transport, known).run(arguments_.iterable("users", users));
}

function oneOf(name: string, given: unknown, known: readonly string[]): void {
  if (given !== undefined && !known.includes(arguments_.text(name, given))) {
    throw new RangeError(`${name}: must be ${known.slice(0, -1).join(", ")} or ${known.at(-1)}`);
  }
}

/** One import on its way. */
class Import {
  readonly #transport: Transport;
  readonly #options: ImportOptions;
  readonly #summary: ImportSummary;
  readonly #rehearsal: Rehearsal | undefined;
  readonly #ending = new AbortController();
  #done: readonly (readonly number[])[] = [];
  /** Chunks that are sent again though they are done: the service knows whether they are the same. */
  #proofs = new Set<number>();
  /** Chunks in which an earlier run had rows refused: they are sent again, to hear why. */
  #refused = new Set<number>();

  constructor(transport: Transport, options: ImportOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#summary = new ImportSummary(options.importId ?? crypto.randomUUID().replaceAll("-", ""));
    this.#rehearsal = options.dryRun ? new Rehearsal(options.onConflict ?? "fail") : undefined;
  }

  async run(users: Iterable<ImportedUser> | AsyncIterable<ImportedUser>): Promise<ImportSummary> {
    const { signal } = this.#options;
    const abort = (): void => this.#ending.abort(signal?.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort);
    try {
      if (this.#options.importId !== undefined && !this.#options.dryRun) await this.#resume();
      await this.#send(users);
      return this.#summary;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#ending.abort();
    }
  }

  /** Take over what an earlier run has done. */
  async #resume(): Promise<void> {
    const { importId } = this.#summary;
    const progress = await this.#transport.command<ImportProgress>(
      "ImportStatus",
      { importId },
      { signal: this.#ending.signal },
    );
    for (const status of ["created", "updated", "skipped", "failed"] as const) this.#summary[status] = progress[status];
    this.#summary.before = this.#summary.rows;
    this.#done = progress.chunks;
    this.#refused = new Set(progress.failedChunks);
    // Where rows were added or removed anywhere before, the last chunk is not the same.
    const first = progress.chunks[0]?.[0];
    const last = progress.chunks.at(-1)?.[1];
    this.#proofs = new Set([first, last].filter((number) => number !== undefined));
  }

  async #send(users: Iterable<ImportedUser> | AsyncIterable<ImportedUser>): Promise<void> {
    const unproved = new Set(this.#proofs);
    const waiting: { chunk: Chunk; results: Promise<ImportResult[]> }[] = [];
    const noteFirst = async (): Promise<void> => {
      const first = waiting.shift();
      if (first !== undefined) this.#note(first.chunk, await first.results);
    };
    for await (const chunk of chunksOf(users, this.#options)) {
      if (chunk.rows.length > 0) unproved.delete(chunk.number);
      const results = this.#results(chunk);
      results.catch(() => {}); // It is thrown where it is waited for, which may be never.
      waiting.push({ chunk, results });
      while (waiting.length >= IN_FLIGHT || (waiting.length > 0 && this.#proofs.has(chunk.number))) await noteFirst();
    }
    while (waiting.length > 0) await noteFirst();
    if (unproved.size > 0) {
      // The users ended before them, or have rows there that are not sent.
      const message =
        "this chunk of the job came before with other rows, or to be taken in another way; name another job";
      throw new ValidationFailed(message, { field: "importId" });
    }
  }

  #isDone(chunk: Chunk): boolean {
    return this.#done.some(([first = 0, last = -1]) => first <= chunk.number && chunk.number <= last);
  }

  /** The results of a chunk, in the order of its rows; of one that is done and need not be sent again, of the bad rows. */
  async #results(chunk: Chunk): Promise<ImportResult[]> {
    const isKnown = this.#isDone(chunk) && !this.#refused.has(chunk.number) && !this.#proofs.has(chunk.number);
    const isTold = this.#options.onResult === undefined || chunk.end <= (this.#options.told ?? 0);
    if (chunk.rows.length === 0 || (isKnown && isTold)) return chunk.bad;
    const { dryRun = false, onConflict = "fail" } = this.#options;
    // With `all` no hash is sent.
    const withoutHashes = this.#options.withoutHashes === "unsupported" ? "unsupported" : "none";
    const commandId = crypto.randomUUID();
    const bounds = new Bounds(CHUNK_MILLISECONDS, this.#ending.signal);
    const users: ImportedUser[] = [];
    for (const { user } of chunk.rows) {
      // A hash is not sealed: for a thousand hashes that would take longer than their import.
      const { password } = user;
      users.push(
        isPlain(password) ? { ...user, password: await this.#transport.sealed(password, commandId, bounds) } : user,
      );
    }
    const { importId } = this.#summary;
    const reply = await this.#transport.command<ImportReply>(
      "ImportUsers",
      { users, importId, chunk: chunk.number, dryRun, onConflict, withoutHashes },
      { timeout: CHUNK_MILLISECONDS, idempotencyKey: commandId, signal: this.#ending.signal },
      { attempt: TRY_MILLISECONDS },
    );
    const results = reply.results.map(({ index, ...result }) => {
      const sent = chunk.rows[index];
      if (sent === undefined) throw new RangeError(`ImportUsers: the reply names row ${index}, which was not sent`);
      const changed = [...sent.changed, ...(result.changed ?? [])];
      const told = { ...result, row: sent.row, ...(changed.length > 0 ? { changed } : {}) };
      return this.#rehearsal?.judged(sent.user, told) ?? told;
    });
    return [...chunk.bad, ...results].sort((one, other) => one.row - other.row);
  }

  #note(chunk: Chunk, results: readonly ImportResult[]): void {
    const bad = new Set(chunk.bad);
    for (const result of results) {
      this.#summary.add(result, this.#isDone(chunk) && !bad.has(result));
      if (result.row > (this.#options.told ?? 0)) this.#options.onResult?.(result);
    }
    this.#options.onProgress?.(this.#summary);
  }
}
