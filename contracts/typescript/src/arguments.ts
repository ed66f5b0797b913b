/**
 * Checks of the arguments that the client uses itself. The service checks the fields that are only sent.
 *
 * TypeScript checks the types; these are for callers in JavaScript and for values of type `any`. No error shows a
 * value, which may be a secret.
 */

/** The longest time that a timer of JavaScript can wait: 24 days. */
export const LONGEST_MILLISECONDS = 2 ** 31 - 1;

/** Throws TypeError where the value is not a string. */
export function text(name: string, value: unknown): string {
  if (typeof value !== "string") throw wrong(name, "a string", value);
  return value;
}

/** Throws TypeError where the value is not an object. */
export function mapping(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(name, "an object", value);
  return value as Record<string, unknown>;
}

/** Throws TypeError where `for await` takes nothing from the value; a string would be taken letter by letter. */
export function iterable<T>(name: string, value: Iterable<T> | AsyncIterable<T>): Iterable<T> | AsyncIterable<T> {
  const given: unknown = value;
  const isOne =
    typeof given === "object" && given !== null && (Symbol.iterator in given || Symbol.asyncIterator in given);
  if (!isOne) throw wrong(name, "an array or another iterable", given);
  return value;
}

/** Throws TypeError where the value is not a whole number. */
export function whole(name: string, value: unknown): number {
  if (!Number.isSafeInteger(value)) throw wrong(name, "a whole number", value);
  return value as number;
}

/** Throws TypeError where the value is not an array of whole numbers. */
export function wholes(name: string, value: unknown): number[] {
  if (!Array.isArray(value)) throw wrong(name, "an array of whole numbers", value);
  return value.map((each) => whole(name, each));
}

/** Throws TypeError where the value is not a number, RangeError where no timer can wait so long. */
export function milliseconds(name: string, value: unknown): number {
  if (typeof value !== "number") throw wrong(name, "a number of milliseconds", value);
  if (!(value <= LONGEST_MILLISECONDS)) {
    throw new RangeError(`${name}: must be a number of milliseconds, at most ${LONGEST_MILLISECONDS}`);
  }
  return value;
}

/** A time as it is sent: a Date, or a string in RFC 3339. Throws TypeError, RangeError. */
export function timestamp(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  if (!(value instanceof Date)) throw wrong(name, "a Date or a string in RFC 3339", value);
  if (Number.isNaN(value.getTime())) throw new RangeError(`${name}: is an invalid Date`);
  return value.toISOString();
}

/** Throws TypeError where an option is not one of the known ones: a condition that is misspelt would be none. */
export function options<T extends object>(given: T | undefined, known: readonly (keyof T & string)[]): T {
  if (given === undefined) return {} as T;
  for (const name of Object.keys(mapping("options", given))) {
    if (!(known as readonly string[]).includes(name)) {
      throw new TypeError(`${name}: is not an option; the options are ${known.join(", ")}`);
    }
  }
  return given;
}

/** Throws TypeError where a field is not one of the request's: the first one that is none, and those that there are. */
export function fields(request: string, given: object, known: readonly string[]): void {
  for (const name of Object.keys(mapping("fields", given))) {
    if (!known.includes(name)) {
      const there = known.length === 0 ? "it has none" : `its fields are ${known.join(", ")}`;
      throw new TypeError(`${name}: is not a field of ${request}; ${there}`);
    }
  }
}

function wrong(name: string, right: string, value: unknown): TypeError {
  const kind = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  return new TypeError(`${name}: must be ${right}, not ${kind}`);
}
