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
  /** Rejects where no answer came, and with the signal's reason. */
  call(request: AppRequest, signal: AbortSignal): Promise<AppAnswer>;
}

/** More of an answer than this is not read. */
export const MAX_ANSWER = 4 << 20;

export function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

/** What an app knows its broker by, where there is a token. */
export function tokenHeader(token: string | undefined): Readonly<Record<string, string>> {
  return token ? { "dapr-api-token": token } : {};
}
