/** A parser of JSON that refuses what parsers read differently, and keeps whole numbers apart from others. */

/** A whole number is a bigint; an object is a Map. */
export type StrictJson = null | boolean | number | bigint | string | StrictJson[] | Map<string, StrictJson>;

/** Arrays and objects in each other. Python's parser has the same bound. */
const DEEPEST = 32;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON allows none of them in a string.
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Throws SyntaxError, TypeError: also where a name occurs twice in an object, and where it is nested too deep. */
export function parseStrictly(octets: Uint8Array): StrictJson {
  return new Parser(decoder.decode(octets)).whole();
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): StrictJson {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw new SyntaxError("text after the value");
    return value;
  }

  #value(depth: number): StrictJson {
    this.#space();
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
    }
    for (const [word, value] of [
      ["true", true],
      ["false", false],
      ["null", null],
    ] as const) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    const number = this.#match(NUMBER);
    if (number === undefined) throw new SyntaxError("no value");
    return number[1] === undefined && number[2] === undefined ? BigInt(number[0]) : Number(number[0]);
  }

  #object(depth: number): Map<string, StrictJson> {
    const found = new Map<string, StrictJson>();
    this.#enter(depth);
    if (this.#takes("}")) return found;
    do {
      this.#space();
      const name = this.#string();
      if (found.has(name)) throw new SyntaxError("a name twice");
      if (!this.#takes(":")) throw new SyntaxError("no colon");
      found.set(name, this.#value(depth + 1));
    } while (this.#takes(","));
    if (!this.#takes("}")) throw new SyntaxError("an object without its end");
    return found;
  }

  #array(depth: number): StrictJson[] {
    const found: StrictJson[] = [];
    this.#enter(depth);
    if (this.#takes("]")) return found;
    do found.push(this.#value(depth + 1));
    while (this.#takes(","));
    if (!this.#takes("]")) throw new SyntaxError("an array without its end");
    return found;
  }

  #enter(depth: number): void {
    if (depth >= DEEPEST) throw new SyntaxError("nested too deep");
    this.#at += 1;
  }

  #string(): string {
    const text = this.#match(STRING);
    if (text === undefined) throw new SyntaxError("no string");
    return JSON.parse(text[0]) as string;
  }

  #takes(sign: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== sign) return false;
    this.#at += 1;
    return true;
  }

  #space(): void {
    this.#match(SPACE);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text) ?? undefined;
    if (found !== undefined) this.#at = pattern.lastIndex;
    return found;
  }
}
