/** Arguments that one call takes on every platform. */
const CHUNK = 0x8000;

/** Text with the character of each byte's number. */
export function characters(bytes: Uint8Array): string {
  let text = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  }
  return text;
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(characters(bytes));
}

export function fromBase64(base64: string): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}
