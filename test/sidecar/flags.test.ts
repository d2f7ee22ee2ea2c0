import { describe, expect, test } from "vitest";
import { notesOn } from "../../targets/cli/sidecar/notes.ts";
import { toOptions } from "../../targets/cli/sidecar/options.ts";
import { parseFlags } from "../../targets/cli/sidecar/parse.ts";

const parse = (...words: string[]) => parseFlags(words).values;
const options = (...words: string[]) => toOptions(parseFlags(["--app-id", "app", ...words]));

describe("flags are read as daprd reads them", () => {
  test.each([
    [["--app-id", "a"], "app-id", "a"],
    [["--app-id=a"], "app-id", "a"],
    [["-app-id", "a"], "app-id", "a"],
    [["-app-id=a"], "app-id", "a"],
    [["--app-id", "a", "--app-id", "b"], "app-id", "b"],
    [["--app-id=a=b"], "app-id", "a=b"],
    [["--app-id", "--x"], "app-id", "--x"],
    [["--enable-metrics"], "enable-metrics", true],
    [["--enable-metrics=false"], "enable-metrics", false],
    [["--enable-metrics=F"], "enable-metrics", false],
    [["--enable-metrics=1"], "enable-metrics", true],
    [["--log-as-json=TRUE"], "log-as-json", true],
    [["--dapr-http-port", "0"], "dapr-http-port", 0],
    [["--app-port="], "app-port", undefined],
    [["--app-port", "8080"], "app-port", 8080],
    [["--app-max-concurrency", "-1"], "app-max-concurrency", -1],
    [["--resources-path", "a", "--resources-path=b"], "resources-path", ["a", "b"]],
    [["--resources-path=a,b", "--resources-path", ""], "resources-path", ["a", "b"]],
    [["--config="], "config", []],
    [["--dapr-listen-addresses", "0.0.0.0"], "dapr-listen-addresses", ["0.0.0.0"]],
    [["--max-body-size", "4Mi"], "max-body-size", 4 << 20],
    [["--max-body-size=0.5Mi"], "max-body-size", 1 << 19],
    [["--max-body-size=1G"], "max-body-size", 1e9],
    [["--read-buffer-size", "16Ki"], "read-buffer-size", 16_384],
    [["--read-buffer-size", "65536"], "read-buffer-size", 65_536],
    [["--dapr-block-shutdown-duration", "1m30s"], "dapr-block-shutdown-duration", 90_000],
    [["--dapr-block-shutdown-duration=500ms"], "dapr-block-shutdown-duration", 500],
  ] as const)("%j", (words, name, value) => {
    expect(parse(...words)[name]).toEqual(value);
  });

  test.each([
    [["--nope"], "there is no flag --nope: see pillion sidecar --help"],
    [["--app-idd", "x"], "there is no flag --app-idd: did you mean --app-id?"],
    [["--constructor=x"], "there is no flag --constructor: see pillion sidecar --help"],
    [["-p", "3500"], "there is no flag --p: see pillion sidecar --help"],
    [["orders"], 'the sidecar takes flags, not "orders"'],
    [
      ["--enable-metrics", "false"],
      'the sidecar takes flags, not "false": write --flag=false, with =',
    ],
    [["--app-id"], "the flag --app-id needs a value"],
    [
      ["--dapr-http-port", "x"],
      'the flag --dapr-http-port must be a port from 0 to 65535, not "x"',
    ],
    [
      ["--metrics-port=65536"],
      'the flag --metrics-port must be a port from 0 to 65535, not "65536"',
    ],
    [["--enable-metrics=yes"], 'the flag --enable-metrics must be true or false, not "yes"'],
    [
      ["--max-body-size", "4MB"],
      'the flag --max-body-size must be a size such as 4Mi, 16Ki or 65536, not "4MB"',
    ],
    [
      ["--max-body-size", "0.3"],
      'the flag --max-body-size must be a size such as 4Mi, 16Ki or 65536, not "0.3"',
    ],
    [
      ["--dapr-graceful-shutdown-seconds", "5s"],
      'the flag --dapr-graceful-shutdown-seconds must be a whole number, not "5s"',
    ],
    [
      ["--dapr-block-shutdown-duration", "5"],
      'the flag --dapr-block-shutdown-duration must be a duration such as 500ms, 30s or 1m30s, not "5"',
    ],
  ])("%j is refused", (words, message) => {
    expect(() => parseFlags(words)).toThrow(
      expect.objectContaining({ name: "UsageError", message }),
    );
  });
});

describe("options", () => {
  test("without flags are daprd's, on the loopback addresses", () => {
    expect(options()).toEqual({
      id: "app",
      resources: [],
      config: [],
      app: undefined,
      allowedOrigins: "",
      maxBodySize: 4 << 20,
      headSize: 4 << 10,
      api: { flag: "dapr-http-port", port: 3500, addresses: ["::1", "127.0.0.1"], lenient: true },
      socketFolder: undefined,
      publicApi: undefined,
      metrics: { flag: "metrics-port", port: 9090, addresses: ["0.0.0.0"] },
      profiles: undefined,
      log: { level: "info", json: false, file: "" },
      apiLogging: undefined,
      shutdownMs: 5000,
      blockMs: 0,
    });
  });

  test.each([
    [["--components-path", "old"], { resources: ["old"] }],
    [["--components-path", "old", "--resources-path", "new"], { resources: ["new"] }],
    [["--dapr-http-max-request-size", "2"], { maxBodySize: 2 << 20 }],
    [["--dapr-http-max-request-size", "2", "--max-body-size", "1Ki"], { maxBodySize: 1024 }],
    [["--dapr-http-read-buffer-size", "8"], { headSize: 8192 }],
    [["--max-body-size", "-1"], { maxBodySize: 4 << 20 }],
    [["--max-body-size", "0"], { maxBodySize: Number.POSITIVE_INFINITY }],
    [["--read-buffer-size", "0"], { headSize: 4096 }],
    [["--enable-metrics=false"], { metrics: undefined }],
    [["--enable-api-logging=false"], { apiLogging: false }],
    [["--log-level", "WARN"], { log: { level: "warning", json: false, file: "" } }],
    [["--dapr-graceful-shutdown-seconds", "-1"], { shutdownMs: 5000 }],
    [["--dapr-graceful-shutdown-seconds", "0"], { shutdownMs: 0 }],
    [["--unix-domain-socket", "/tmp"], { socketFolder: "/tmp" }],
    [
      ["--dapr-public-port", "3501"],
      { publicApi: { flag: "dapr-public-port", port: 3501, addresses: [""] } },
    ],
    [
      ["--enable-profiling", "--dapr-listen-addresses", "[::1]"],
      {
        api: { flag: "dapr-http-port", port: 3500, addresses: ["::1"] },
        profiles: { flag: "profile-port", port: 7777, addresses: ["::1"] },
      },
    ],
  ])("%j", (words, expected) => {
    expect(options(...words)).toMatchObject(expected);
  });

  test("0 for the numbers of the app's health means the default", () => {
    const zeros = ["interval", "timeout"].flatMap((name) => [`--app-health-probe-${name}`, "0"]);
    const words = ["--app-port", "80", "--enable-app-health-check", "--app-health-threshold=0"];
    expect(options(...words, ...zeros).app).toEqual({
      port: 80,
      address: "127.0.0.1",
      protocol: "http",
      maxConcurrency: undefined,
      health: { path: "/healthz", intervalMs: 5000, timeoutMs: 500, threshold: 3 },
      skipped: [],
    });
  });

  test.each([
    [["--app-id", ""], "--app-id is missing: --app-id orders"],
    [["--app-id", "a.b"], '--app-id cannot hold a dot or "||": "a.b"'],
    [["--mode", "kubernetes"], /^--mode kubernetes is not built: mount the components/],
    [["--mode", "x"], '--mode must be standalone, not "x"'],
    [
      ["--log-level", "trace"],
      '--log-level must be debug, info, warn, error or fatal, not "trace"',
    ],
    [["--app-protocol", "ftp"], /^--app-protocol must be one of http, https, h2c, grpc, grpcs/],
    [["--app-port", "3500"], "--app-port and --dapr-http-port are both 3500: they must differ"],
    [["--dapr-http-port="], "--dapr-http-port is empty: it must be a port"],
  ])("%j cannot be", (words, message) => {
    expect(() => options(...words)).toThrow(message);
  });
});

describe("a flag without effect is told", () => {
  const notes = (...words: string[]) => notesOn(parseFlags(words)).map(({ text }) => text);

  test.each([
    [["--dapr-grpc-port", "50001"], /^--dapr-grpc-port: the gRPC API is not built yet/],
    [["--app-health-port", "80"], /^--app-health-port: the app is probed on its own port/],
    [["--enable-mtls"], /^--enable-mtls: mutual TLS/],
    [["--placement-host-address", "h:1"], /^--placement-host-address: actors/],
    [["--components-path", "x"], /^--components-path is old: use --resources-path$/],
  ])("%j", (words, text) => {
    expect(notes(...words)).toEqual([expect.stringMatching(text)]);
  });

  test.each([
    [["--app-id", "a"]],
    [["--enable-mtls=false"]],
    [["--placement-host-address="]],
    [["--app-port="]],
    [["--app-port", "80", "--app-max-concurrency", "2", "--enable-app-health-check"]],
    [["--app-protocol", "http", "--app-channel-address", "127.0.0.1"]],
  ])("and %j, which asks for nothing, is not", (words) => {
    expect(notes(...words)).toEqual([]);
  });
});
