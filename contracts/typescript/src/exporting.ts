/** `client.auth.users.export`: a file of users, piece by piece. */

import * as arguments_ from "./arguments.js";
import { Bounds } from "./bounds.js";
import * as h from "./generated/headers.js";
import type { ExportFilter, ExportUsers } from "./generated/messages.js";
import { OPERATIONS } from "./generated/operations.js";
import type { Reply, Transport } from "./transport.js";

const PIECE_MILLISECONDS = 30_000;
/** How long one answer is waited for, when it is not the first. */
const TRY_MILLISECONDS = 5000;
/** An export without a responder is gone, except for the moment in which NATS was restarted. */
const GONE_MILLISECONDS = 2000;

/** The options of an export. */
export interface ExportOptions {
  /** `jsonl` where it is not given. */
  format?: "csv" | "jsonl" | "json";
  /** `id`, `profile`, `profile.firstName`, `metadata.plan`, …; none: all. */
  fields?: readonly string[];
  status?: NonNullable<ExportFilter["status"]>;
  createdAfter?: Date | string;
  createdBefore?: Date | string;
  search?: string;
  /** Cells of CSV that a spreadsheet takes for formulas stay as they are; else a `'` goes before them. */
  raw?: boolean;
  /** The field `passwordHash` can be asked for; only as the NATS user `operator`. */
  hashes?: boolean;
}

const FILTER = ["status", "createdAfter", "createdBefore", "search"] as const;
const OPTIONS = [...FILTER, "format", "fields", "raw", "hashes"] as const;

interface Piece {
  data: Uint8Array;
  number: number;
  /** The subject on which the next piece is asked for; "" after the last one. */
  follows: string;
}

/** A file of users. Its pieces can be read once, by `for await` or by `text()`. */
export class UserExport implements AsyncIterable<Uint8Array>, AsyncDisposable {
  /** The position of the log that the whole file shows. */
  readonly position: number;
  readonly #transport: Transport;
  readonly #signal: AbortSignal | undefined;
  #piece: Piece;
  #isRead = false;

  private constructor(transport: Transport, first: Reply, signal: AbortSignal | undefined) {
    this.position = Number(first.header(h.POSITION));
    this.#transport = transport;
    this.#signal = signal;
    this.#piece = pieceOf(first, 0);
  }

  /** Ask for the first piece. Throws DenizenError; TypeError and RangeError where an argument is wrong. */
  static async begin(
    transport: Transport,
    options: ExportOptions | undefined,
    signal: AbortSignal | undefined,
  ): Promise<UserExport> {
    const known = arguments_.options(options, OPTIONS); // A filter that is misspelt would let all users out.
    const { format = "jsonl", fields = [], raw = false, hashes = false, status, search } = known;
    const filter: ExportFilter = {};
    if (status !== undefined) filter.status = status;
    if (search !== undefined && search !== "") filter.search = search;
    if (known.createdAfter !== undefined)
      filter.createdAfter = arguments_.timestamp("createdAfter", known.createdAfter);
    if (known.createdBefore !== undefined)
      filter.createdBefore = arguments_.timestamp("createdBefore", known.createdBefore);
    const body: ExportUsers = { format, fields: [...fields], filter, raw };
    const { subject } = hashes ? OPERATIONS.ExportUsersWithHashes : OPERATIONS.ExportUsers;
    const how = { attempt: PIECE_MILLISECONDS };
    const first = await transport.piece(subject, body, new Bounds(PIECE_MILLISECONDS, signal), how);
    return new UserExport(transport, first, signal);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#isRead) throw new Error("this export was read, or is being read: begin another one");
    this.#isRead = true;
    try {
      yield this.#piece.data;
      while (this.#piece.follows !== "") {
        this.#piece = await this.#next(this.#piece);
        yield this.#piece.data;
      }
    } finally {
      this.end();
    }
  }

  async #next(piece: Piece): Promise<Piece> {
    const number = piece.number + 1;
    const bounds = new Bounds(PIECE_MILLISECONDS, this.#signal);
    const how = { attempt: TRY_MILLISECONDS, gone: GONE_MILLISECONDS };
    return pieceOf(await this.#transport.piece(piece.follows, { piece: number }, bounds, how), number);
  }

  /** The whole file, which is kept in memory. */
  async text(): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of this) text += decoder.decode(piece, { stream: true });
    return text + decoder.decode();
  }

  /** End the export early, so that the service drops its snapshot at once. After the last piece it does nothing. */
  end(): void {
    this.#isRead = true;
    if (this.#piece.follows === "") return;
    this.#transport.tell(this.#piece.follows, { end: true });
    this.#piece = { ...this.#piece, follows: "" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }
}

function pieceOf(reply: Reply, number: number): Piece {
  return { data: reply.data, number, follows: reply.header(h.EXPORT) };
}
