import { connect, type Socket } from "node:net";

/** A connection that sends exactly what it is told. */
export interface Raw {
  readonly socket: Socket;
  send(text: string | Uint8Array): void;
  /** Everything that came so far. */
  received(): string;
  /** Resolves once what came fits, with all of it. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves with everything that came once the other side has closed. */
  closed(): Promise<string>;
  end(): void;
}

export async function connectRaw(port: number): Promise<Raw> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  const waiting = new Set<() => void>();
  const tell = () => {
    for (const check of waiting) check();
  };
  socket.setEncoding("latin1").on("data", (chunk) => {
    text += chunk;
    tell();
  });
  socket.on("error", tell).on("close", tell);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve).once("error", reject);
  });
  return {
    socket,
    send: (data) => void socket.write(data),
    received: () => text,
    until: (pattern) =>
      waited((done, fail) => {
        if (pattern.test(text)) done(text);
        else if (socket.destroyed) fail(new Error(`closed before ${pattern}, after: ${text}`));
      }),
    closed: () => waited((done) => socket.destroyed && done(text)),
    end: () => void socket.end(),
  };

  function waited(look: (done: (text: string) => void, fail: (error: Error) => void) => void) {
    return new Promise<string>((resolve, reject) => {
      const check = () =>
        look(
          (found) => {
            waiting.delete(check);
            resolve(found);
          },
          (error) => {
            waiting.delete(check);
            reject(error);
          },
        );
      waiting.add(check);
      check();
    });
  }
}
