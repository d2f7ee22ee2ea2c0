import { fromBase64, toBase64 } from "../../base64.ts";
import type { Component } from "../../contracts/component.ts";
import type { Call, Host } from "../../contracts/host.ts";
import type { SecretStore } from "../../contracts/secrets.ts";
import { ComponentError } from "../../errors.ts";

/** A key by the secret that holds it: 16, 24 or 32 bytes in hexadecimal. */
export interface SecretKeyRef {
  /** Name of the secret. It is stored beside every value that the key encrypts. */
  readonly name: string;
  /** Key inside the secret. Default: its name. */
  readonly key?: string | undefined;
  readonly store: Component<"secretstores">;
}

export interface EncryptionOptions {
  /** Encrypts what is written, and decrypts what it encrypted. */
  readonly primaryEncryptionKey: SecretKeyRef;
  /** Decrypts as well: the primary key before the last change of keys. */
  readonly secondaryEncryptionKey?: SecretKeyRef | undefined;
}

export interface Keyring {
  /** Fetches the keys, unless they are there. Throws "config" for one that is missing or no key. */
  load(call: Call): Promise<void>;
  /** Dapr's text of an encrypted value. */
  seal(plain: Uint8Array, call: Call): Promise<string>;
  /** What is in Dapr's text. Throws "corrupt" when it is none, or neither key opens it. */
  open(text: string, key: string, call: Call): Promise<Uint8Array>;
  close(): Promise<void>;
}

interface Keys {
  readonly primary: NamedKey;
  readonly byName: ReadonlyMap<string, CryptoKey>;
}

interface NamedKey {
  readonly name: string;
  readonly key: CryptoKey;
}

const SEPARATOR = "||";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = [16, 24, 32];

export function keyring(options: EncryptionOptions, host: Host, component: string): Keyring {
  const opened = new Map<Component, SecretStore>();
  let keys: Keys | undefined;
  return {
    async load(call) {
      await loaded(call);
    },
    async seal(plain, call) {
      const { primary } = await loaded(call);
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const algorithm = { name: "AES-GCM", iv: nonce };
      const cipher = await crypto.subtle.encrypt(algorithm, primary.key, plain as BufferSource);
      return toBase64(joined(nonce, new Uint8Array(cipher))) + SEPARATOR + primary.name;
    },
    async open(text, key, call) {
      if (text === "") return new Uint8Array();
      const at = text.lastIndexOf(SEPARATOR);
      if (at < 0) throw corrupt(key, "is not encrypted");
      const bytes = fromBase64(text.slice(0, at));
      // Before anything of it is shown: what is not encrypted is a value.
      if (!bytes || bytes.length < NONCE_BYTES + TAG_BYTES) throw corrupt(key, "is not encrypted");
      const name = text.slice(at + SEPARATOR.length);
      const found = (await loaded(call)).byName.get(name);
      if (!found) throw corrupt(key, `is encrypted under neither key, but under ${name}`);
      return decrypted(bytes, found).catch(() => {
        throw corrupt(key, `does not decrypt under ${name}: the key or the value was changed`);
      });
    },
    async close() {
      for (const store of opened.values()) await store.close?.();
    },
  };

  /** The keys and not their promise are kept: on Workers a promise belongs to the request that made it. */
  async function loaded(call: Call): Promise<Keys> {
    if (keys) return keys;
    const { primaryEncryptionKey, secondaryEncryptionKey } = options;
    const primary = await keyOf("primaryEncryptionKey", primaryEncryptionKey, call);
    const byName = new Map<string, CryptoKey>();
    if (secondaryEncryptionKey) {
      const { name, key } = await keyOf("secondaryEncryptionKey", secondaryEncryptionKey, call);
      // Values bear the name alone, so that one of the two could not be told from the other.
      if (name === primary.name) {
        const text = `component ${component}: secondaryEncryptionKey: it needs a secret of another name than ${name}`;
        throw new ComponentError("config", text);
      }
      byName.set(name, key);
    }
    byName.set(primary.name, primary.key);
    keys = { primary, byName };
    return keys;
  }

  async function keyOf(setting: string, ref: SecretKeyRef, call: Call): Promise<NamedKey> {
    const { name, key = name } = ref;
    const wrong = (why: string) =>
      new ComponentError("config", `component ${component}: ${setting}: ${why}`);
    if (!name) throw wrong("it needs the name of a secret");
    if (name.includes(SEPARATOR)) throw wrong(`the name of a secret may not hold ${SEPARATOR}`);
    const secret = await storeOf(ref.store).get(name, call);
    if (!secret) throw wrong(`there is no secret ${name} in ${ref.store.type}`);
    if (!Object.hasOwn(secret, key)) throw wrong(`secret ${name} has no key ${key}`);
    const bytes = fromHex(secret[key] as string);
    if (!bytes || !KEY_BYTES.includes(bytes.length)) {
      throw wrong(`secret ${name} must hold 16, 24 or 32 bytes in hexadecimal`);
    }
    return { name, key: await imported(bytes) };
  }

  function storeOf(store: Component<"secretstores">): SecretStore {
    const found = opened.get(store) ?? store.open(host, component);
    opened.set(store, found);
    return found;
  }
}

function imported(bytes: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes as BufferSource, "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);
}

async function decrypted(bytes: Uint8Array, key: CryptoKey): Promise<Uint8Array> {
  const algorithm = { name: "AES-GCM", iv: bytes.slice(0, NONCE_BYTES) };
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, bytes.slice(NONCE_BYTES)));
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const all = new Uint8Array(head.length + tail.length);
  all.set(head);
  all.set(tail, head.length);
  return all;
}

function fromHex(text: string): Uint8Array | undefined {
  if (!/^([0-9a-f]{2})+$/i.test(text)) return undefined;
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function corrupt(key: string, why: string): ComponentError {
  return new ComponentError("corrupt", `the stored value of ${key} ${why}`);
}
