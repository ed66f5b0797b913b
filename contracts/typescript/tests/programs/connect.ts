/** Connects as $DENIZEN_NATS_URL and $DENIZEN_NATS_CA say, and prints `connected` or the code of the error. */

import { Client, DenizenError } from "@denizen/client";

await using client = new Client({ timeout: 20_000 });
try {
  await client.connect();
  console.log("connected");
} catch (error) {
  if (!(error instanceof DenizenError)) throw error;
  console.log(error.code);
}
