// Made by `make contract` from contracts/denizen. Change the Python side instead.

export * from "./errors.js";
export * from "./headers.js";
export * from "./messages.js";
export * from "./operations.js";
