/** A dry run of an import over several chunks: the service sees one chunk at a time, and takes no value. */

import type { ImportedUser } from "./generated/messages.js";
import type { ImportResult } from "./importing.js";

/** The unique values that the rows of a dry run would take. */
export class Rehearsal {
  readonly #onConflict: "fail" | "skip" | "update";
  /** Each value, and the number of the row that would have it. */
  readonly #taken = new Map<string, number>();

  constructor(onConflict: "fail" | "skip" | "update") {
    this.#onConflict = onConflict;
  }

  /** The result of a row of this user, given that those before it are in. */
  judged(user: ImportedUser, result: ImportResult): ImportResult {
    if (result.status !== "created") return result;
    const claims = claimsOf(user);
    const holders = claims.filter(({ claim }) => this.#taken.has(claim));
    const [twice] = holders;
    if (twice === undefined) {
      for (const { claim } of claims) this.#taken.set(claim, result.row);
      return result;
    }
    const holderOf = (kind: string): number | undefined => {
      const claim = holders.find((each) => each.kind === kind)?.claim;
      return claim === undefined ? undefined : this.#taken.get(claim);
    };
    if (twice.kind !== "id" || holderOf("email") === holderOf("id")) {
      if (this.#onConflict === "skip") return { ...result, status: "skipped" };
      if (this.#onConflict === "update" && (twice.kind === "id" || twice.kind === "email")) {
        return { ...result, status: "updated" };
      }
    }
    const { code, field } = twice;
    const error = { code, message: `another row has this ${field}`, field };
    return { ...result, status: "failed", error };
  }
}

interface Claim {
  kind: string;
  claim: string;
  code: string;
  field: string;
}

/** The values that only one user can have, in the service's order. It knows more forms of an address. */
function claimsOf(user: ImportedUser): Claim[] {
  const claims: Claim[] = [];
  const add = (kind: string, value: string, code: string, field: string): void => {
    claims.push({ kind, claim: `${kind}\0${value}`, code, field });
  };
  if (typeof user.id === "string") add("id", user.id, "validation_failed", "id");
  add("email", String(user.email).normalize("NFKC").toLowerCase(), "email_taken", "email");
  if (typeof user.externalId === "string") add("externalId", user.externalId, "external_id_taken", "externalId");
  for (const { provider, providerId } of user.identities ?? []) {
    add(`identity ${provider}`, providerId, "identity_taken", "providerId");
  }
  return claims;
}
