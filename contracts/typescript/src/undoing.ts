/** `client.auth.users.undoImport`: takes an import back, step by step. */

import * as arguments_ from "./arguments.js";
import type { ImportUndone, KeptUser } from "./generated/messages.js";
import type { Transport } from "./transport.js";

/** How long a step is tried, over a short outage of Denizen's too. */
const STEP_MILLISECONDS = 60_000;
const SHOWN = 1000;

/** The options of `undoImport`. */
export interface UndoOptions {
  /** Called after each step. */
  onProgress?: (summary: UndoSummary) => void;
  signal?: AbortSignal;
}

/** What became of the users that an import created. */
export interface UndoSummary {
  readonly importId: string;
  /** How many were erased now. */
  undone: number;
  /** How many had been erased before, by an earlier undo or another command. */
  gone: number;
  /** How many stay, because they have signed in or were changed. */
  kept: number;
  /** The first thousand of those who stay, and why. */
  users: KeptUser[];
  /** How far the log is looked through. */
  after: number;
  /** How far the log is to be looked through. */
  until: number;
}

/** Take an import back. Throws DenizenError. */
export async function undo(transport: Transport, importId: string, options?: UndoOptions): Promise<UndoSummary> {
  const summary: UndoSummary = { importId, undone: 0, gone: 0, kept: 0, users: [], after: 0, until: 0 };
  const { onProgress, signal } = arguments_.options(options, ["onProgress", "signal"]);
  do {
    const body = { importId, after: summary.after };
    const step = await transport.command<ImportUndone>("UndoImport", body, { timeout: STEP_MILLISECONDS, signal });
    summary.undone += step.undone;
    summary.gone += step.gone;
    summary.kept += step.kept.length;
    summary.users.push(...step.kept.slice(0, SHOWN - summary.users.length));
    summary.after = step.after;
    summary.until = step.until;
    onProgress?.(summary);
  } while (summary.after < summary.until);
  return summary;
}
