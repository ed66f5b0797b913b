/** Bodies as JSON: values that JSON would change in silence are refused instead. */

import { MalformedMessage } from "./errors.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The octets of a body. Throws MalformedMessage, which names the field; `undefined` fields are left out. */
export function encoded(body: object): Uint8Array {
  return encoder.encode(toJson(body));
}

/** A body as text. Throws as `encoded`. */
export function toJson(body: object): string {
  try {
    return JSON.stringify(body, checked);
  } catch (error) {
    throw new MalformedMessage(error instanceof Refused ? error.message : NO_FORM, { field: fieldOf(body) });
  }
}

/** The value that the octets of a reply hold. */
export function decoded<T>(data: Uint8Array): T {
  return JSON.parse(decoder.decode(data)) as T;
}

class Refused extends Error {}

const NO_FORM = "JSON has no form for the value: give text, numbers, true, false, null, arrays and objects of these";

/** Called by JSON.stringify for each value, after its own `toJSON`. */
function checked(_key: string, value: unknown): unknown {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new Refused("a string holds half a surrogate pair");
      return value;
    case "number":
      if (!Number.isFinite(value)) throw new Refused(NO_FORM);
      return value;
    case "bigint":
    case "function":
    case "symbol":
      throw new Refused(NO_FORM);
    case "object":
      // A Map or a Set would become {}.
      if (value !== null && !Array.isArray(value) && Object.prototype.toString.call(value) !== "[object Object]") {
        throw new Refused(NO_FORM);
      }
      return value;
    default:
      return value;
  }
}

/** The name of the first field that cannot be encoded. */
function fieldOf(body: object): string | undefined {
  return Object.entries(body).find(([, value]) => {
    try {
      JSON.stringify({ value }, checked);
      return false;
    } catch {
      return true;
    }
  })?.[0];
}
