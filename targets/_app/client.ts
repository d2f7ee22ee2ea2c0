export interface AppRequest {
  readonly method: "GET" | "POST";
  /** With or without a slash at its beginning. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
}

export interface AppAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** The way to an app, wherever it runs. */
export interface AppClient {
  /** Rejects where no answer came or one beyond {@link MAX_ANSWER}, and with the signal's reason. */
  call(request: AppRequest, signal: AbortSignal): Promise<AppAnswer>;
}

/** Bytes of the longest answer that is read. */
export const MAX_ANSWER = 4 << 20;

/** Part of an answer says nothing of a message: the status may stand in the rest. */
export function tooLong(): Error {
  return new Error(
    `the app's answer is longer than ${MAX_ANSWER} bytes: let it say no more than a status`,
  );
}

export function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

/** What an app knows its broker by, where there is a token. */
export function tokenHeader(token: string | undefined): Readonly<Record<string, string>> {
  return token ? { "dapr-api-token": token } : {};
}
