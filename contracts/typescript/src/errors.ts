/** The errors of the contract and of the client, and the error that a reply stands for. */

import { DenizenError, ERRORS, type ErrorCode } from "./generated/errors.js";

export * from "./generated/errors.js";

/** The `error` of a reply. */
interface Refusal {
  code: string;
  message: string;
  field?: string | null;
  details?: unknown[];
}

/** The error that the `error` of a reply stands for; a DenizenError where its code is not known here. */
export function fromBody({ code, message, field, details }: Refusal): DenizenError {
  const more = { field: field ?? undefined, details };
  const Kind = Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : undefined;
  return Kind === undefined ? new DenizenError(message, { ...more, code }) : new Kind(message, more);
}
