/** `crypto.randomUUID` exists only on https and localhost; a laptop's server may be reached over plain http. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `req_${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
