import assert from "node:assert/strict";
import { test } from "node:test";
import { MalformedMessage } from "@denizen/client";
import { toJson } from "#client/json.js";

test("a value that JSON would change in silence is refused by its field", () => {
  for (const value of [Number.NaN, 1n, () => 1, Symbol("x"), new Map(), "\ud800", { deep: [new Set()] }]) {
    assert.throws(
      () => toJson({ email: "a@example.com", metadata: value }),
      (error) => {
        assert(error instanceof MalformedMessage);
        assert.equal(error.field, "metadata");
        return true;
      },
    );
  }
});

test("a body keeps dates as times and leaves out what is undefined", () => {
  assert.equal(toJson({ at: new Date(0), none: undefined }), '{"at":"1970-01-01T00:00:00.000Z"}');
});
