/** Octets of the system's random source, in hexadecimal. */
export function randomHex(octets: number): string {
  const random = crypto.getRandomValues(new Uint8Array(octets));
  return Array.from(random, (octet) => octet.toString(16).padStart(2, "0")).join("");
}
