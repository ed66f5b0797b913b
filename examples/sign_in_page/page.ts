/** A sign-in page without a framework: register, verify the address, sign in, see yourself, sign out. See README.md. */

import { Client, DenizenError, EmailNotVerified, type Me, TokenInvalid } from "@denizen/client/browser";

const LOOK_MILLISECONDS = 2000;
const { server = "", user = "", password = "" } = document.body.dataset;
const client = new Client({ server, user, password });
const email = field("email");
const secret = field("password");
const code = field("code");
let person = "";
let me: Me | undefined;

on("register", async () => {
  const registered = await client.auth.users.register({ email: email.value, password: secret.value });
  if (registered.id !== undefined) await sendCode(registered.id);
});

on("verify", async () => {
  await client.auth.users.verifyEmail(person, { code: code.value });
  say("The address is verified. You can sign in.");
});

on("sign-in", async () => {
  try {
    const session = await client.auth.sessions.authenticate({ email: email.value, password: secret.value });
    secret.value = "";
    me = client.auth.me(session.accessToken);
    await look();
  } catch (error) {
    if (!(error instanceof EmailNotVerified)) throw error;
    await sendCode((error.details[0] as { userId: string }).userId);
  }
});

on("sign-out", async () => {
  await me?.logOut();
  me = undefined;
  say("You have signed out.");
});

async function sendCode(userId: string): Promise<void> {
  person = userId;
  await client.auth.users.sendVerificationEmail(userId);
  say("We have sent you a code.");
}

/** Show the user, and look again: a user who is blocked, or signed out elsewhere, is told. */
async function look(): Promise<void> {
  if (me === undefined) return;
  try {
    const { email: address, status } = await me.get();
    say(`You are ${address} (${status}).`);
  } catch (error) {
    if (!(error instanceof TokenInvalid)) throw error;
    me = undefined;
    say("Your session has ended. Please sign in again.");
    return;
  }
  setTimeout(() => void shown(look), LOOK_MILLISECONDS);
}

function on(id: string, work: () => Promise<void>): void {
  document.getElementById(id)?.addEventListener("click", () => void shown(work));
}

async function shown(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    say(error instanceof DenizenError ? `${error.code}: ${error.message}` : "Something went wrong.");
  }
}

function say(text: string): void {
  const shownAt = document.getElementById("says");
  if (shownAt !== null) shownAt.textContent = text;
}

function field(id: string): HTMLInputElement {
  const found = document.getElementById(id);
  if (!(found instanceof HTMLInputElement)) throw new Error(`the page has no field ${id}`);
  return found;
}
