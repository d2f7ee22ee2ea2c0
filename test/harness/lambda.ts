import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { basename, dirname, join } from "node:path";
import { createFunctionUrl } from "./_function-url.ts";
import { createRuntimeApi, type InvokeOptions, type Outcome } from "./_runtime-api.ts";
import { root } from "./folder.ts";
import { owned } from "./process.ts";

export type { FunctionError, InvokeOptions, Outcome, Streamed } from "./_runtime-api.ts";

export interface LambdaOptions {
  /** The folder that the function was deployed to: with `handler`, such as `lambda.handler`. */
  readonly dir?: string;
  /** Or the built file itself, whose export is called `handler` unless `handler` says otherwise. */
  readonly entry?: string;
  readonly handler?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Lambda's own native client instead of the stand-in; `test/lambda/build-native.sh` builds it. Default false. */
  readonly native?: boolean;
  /** Take invocations while others are under way, as Lambda Managed Instances do, all in one thread. Default false. */
  readonly concurrent?: boolean;
  /** Options for Node itself. */
  readonly execArgv?: readonly string[];
}

export interface Lambda extends AsyncDisposable {
  invoke(event: unknown, options?: InvokeOptions): Promise<Outcome>;
  /** Serves the function over HTTP as a function URL does. */
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from the start of the process to its first request for an invocation. */
  readonly initMs: number;
  /** Resolves when the process has ended. */
  readonly exited: Promise<void>;
  /** Sends a signal to the sandbox, which is not started again. */
  kill(signal?: NodeJS.Signals): void;
  stop(): Promise<void>;
  /** What the function logged. */
  stdout(): string;
  stderr(): string;
}

const folder = join(root, "test/lambda");
const client = join(folder, "node_modules/aws-lambda-ric");

export const nativeClient: string = join(client, "rapid-client.node");

/**
 * A function in a process of its own under AWS's runtime client, on a local Runtime API.
 * Rejects when the function does not start, with the error that Lambda would report.
 */
export async function startLambda(options: LambdaOptions): Promise<Lambda> {
  if (!existsSync(client))
    throw new Error(
      "aws-lambda-ric is not installed: npm ci --prefix test/lambda --ignore-scripts",
    );
  const api = await createRuntimeApi();
  const startedAt = performance.now();
  const { child, exited, output } = run(options, api.address);
  exited.then(() => {
    const how = child.signalCode ?? `exit status ${child.exitCode}`;
    api.fail({
      errorType: "Runtime.ExitError",
      errorMessage: `the sandbox ended: ${how}\n${output.stderr}`,
    });
  });
  try {
    await api.ready;
  } catch (error) {
    await stop();
    throw error;
  }
  const initMs = performance.now() - startedAt;
  const front = await createFunctionUrl(api.invoke);
  return {
    invoke: api.invoke,
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    pid: child.pid as number,
    initMs,
    exited,
    kill: (signal = "SIGKILL") => void child.kill(signal),
    stop: end,
    [Symbol.asyncDispose]: end,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
  };

  async function end(): Promise<void> {
    front.close();
    front.closeAllConnections();
    await stop();
  }

  async function stop(): Promise<void> {
    child.kill("SIGKILL");
    await exited;
    await api.close();
  }
}

function run(
  options: LambdaOptions,
  address: string,
): { child: ChildProcess; exited: Promise<void>; output: Output } {
  const { native = false, execArgv = [] } = options;
  const preload = native ? [] : ["--require", join(folder, "native-stand-in.cjs")];
  const child = owned(
    spawn(process.execPath, [...execArgv, ...preload, join(client, "index.mjs")], {
      env: environmentOf(options, address),
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  const exited = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  return { child, exited, output: outputOf(child) };
}

interface Output {
  stdout: string;
  stderr: string;
}

function outputOf(child: ChildProcess): Output {
  const output: Output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  return output;
}

function environmentOf(
  { env, concurrent, ...where }: LambdaOptions,
  address: string,
): NodeJS.ProcessEnv {
  const { dir, handler } = located(where);
  return {
    PATH: process.env.PATH,
    TZ: ":UTC",
    LANG: "en_US.UTF-8",
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
    AWS_LAMBDA_FUNCTION_NAME: "local",
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "1769",
    AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/local",
    AWS_LAMBDA_LOG_STREAM_NAME: "local",
    AWS_LAMBDA_RUNTIME_API: address,
    LAMBDA_TASK_ROOT: dir,
    _HANDLER: handler,
    ...(concurrent && { AWS_LAMBDA_MAX_CONCURRENCY: "128", AWS_LAMBDA_NODEJS_WORKER_COUNT: "1" }),
    ...env,
  };
}

function located({ dir, entry, handler = "handler" }: LambdaOptions): {
  dir: string;
  handler: string;
} {
  if (dir !== undefined) return { dir, handler };
  if (entry === undefined) throw new TypeError("startLambda needs dir and handler, or entry");
  return {
    dir: dirname(entry),
    handler: `${basename(entry).replace(/\.[cm]?js$/, "")}.${handler}`,
  };
}
