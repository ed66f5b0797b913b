/** Sealed secrets: only Denizen can open one, and only in the command that it was sealed for. */

import { MalformedMessage, NoAnswer } from "./errors.js";

const PREFIX = "sealed:";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * `sealed:<keyId>:<base64url>`, for any field that takes a secret.
 *
 * A sealed box of libsodium (X25519, XSalsa20, Poly1305) over the command id, a NUL and the secret; its length tells
 * the secret's. The secret may have at most 2,800 octets in UTF-8, as the sealed form must fit into the field.
 *
 * `commandId`: the `Nats-Msg-Id` that the command is sent with; in another command the secret is refused.
 * `keyId`, `publicKey`: from GetSealingKey; the key is 32 octets in base64url there.
 *
 * Throws MalformedMessage where the secret holds half a surrogate pair.
 */
export async function seal(secret: string, commandId: string, keyId: string, publicKey: string): Promise<string> {
  if (!secret.isWellFormed()) throw new MalformedMessage("a secret holds half a surrogate pair");
  const sodium = await loaded();
  const key = sodium.from_base64(publicKey, sodium.base64_variants.URLSAFE_NO_PADDING);
  const box = sodium.crypto_box_seal(encoder.encode(`${commandId}\0${secret}`), key);
  return `${PREFIX}${keyId}:${sodium.to_base64(box, sodium.base64_variants.URLSAFE_NO_PADDING)}`;
}

/**
 * The key of one request, for which Denizen seals the reply: the NATS users of pages in browsers are shared by all
 * visitors, who could hear the replies to each other (docs/decisions/0055).
 */
export class ReplyKey {
  readonly #public: Uint8Array;
  readonly #private: Uint8Array;
  readonly #sodium: Awaited<ReturnType<typeof loaded>>;

  private constructor(sodium: Awaited<ReturnType<typeof loaded>>) {
    const { publicKey, privateKey } = sodium.crypto_box_keypair();
    [this.#public, this.#private, this.#sodium] = [publicKey, privateKey, sodium];
  }

  static async make(): Promise<ReplyKey> {
    return new ReplyKey(await loaded());
  }

  /** The value of `Denizen-Reply-Key`. */
  get header(): string {
    return this.#sodium.to_base64(this.#public, this.#sodium.base64_variants.URLSAFE_NO_PADDING);
  }

  /** The headers and the body of a sealed reply. Throws NoAnswer. */
  open(data: Uint8Array): { headers: Record<string, string>; body: object } {
    try {
      return JSON.parse(decoder.decode(this.#sodium.crypto_box_seal_open(data, this.#public, this.#private)));
    } catch {
      throw new NoAnswer("the reply cannot be opened");
    }
  }
}

/** libsodium takes some 30 ms to load: a program that sends no secret does not load it. */
async function loaded(): Promise<typeof import("libsodium-wrappers").default> {
  const { default: sodium } = await import("libsodium-wrappers");
  await sodium.ready;
  return sodium;
}
