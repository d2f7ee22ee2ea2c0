// Stands in for the native half of aws-lambda-ric, which a machine with only Node and npm cannot build:
// `node --require native-stand-in.cjs aws-lambda-ric/index.mjs`. The same three functions, the same Runtime API.
"use strict";
const { registerHooks } = require("node:module");
const { Agent, request } = require("node:http");
const { pathToFileURL } = require("node:url");

registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.endsWith("/rapid-client.node")) return next(specifier, context);
    return { url: pathToFileURL(__filename).href, format: "commonjs", shortCircuit: true };
  },
});

const agent = new Agent({ keepAlive: true });
const posts = new Set();
const invocations = "/2018-06-01/runtime/invocation";
const handedOn = [
  "lambda-runtime-deadline-ms",
  "lambda-runtime-aws-request-id",
  "lambda-runtime-trace-id",
  "lambda-runtime-invoked-function-arn",
  "lambda-runtime-client-context",
  "lambda-runtime-cognito-identity",
  "lambda-runtime-aws-tenant-id",
];

module.exports = {
  async next() {
    // The native functions post before they return, so that no invocation starts before the last one's answer.
    await Promise.all(posts);
    const { headers, body } = await exchange("GET", `${invocations}/next`);
    const known = handedOn.filter((name) => headers[name]).map((name) => [name, headers[name]]);
    return { bodyJson: body, headers: Object.fromEntries(known) };
  },
  done(id, body) {
    post(`${invocations}/${id}/response`, body, {});
  },
  error(id, body, xray) {
    const { errorType } = JSON.parse(body);
    post(`${invocations}/${id}/error`, body, {
      "lambda-runtime-function-error-type": errorType,
      "lambda-runtime-function-xray-error-cause": xray.replace(/[^\x20-\x7e]/g, "?"),
    });
  },
};

function post(path, body, headers) {
  // The native client, too, ignores a post that failed: the platform ends such an invocation by its timeout.
  const posted = exchange("POST", path, body, {
    ...headers,
    "content-type": "application/json",
  }).catch(() => {});
  posts.add(posted);
  posted.finally(() => posts.delete(posted));
}

function exchange(method, path, body, headers = {}) {
  const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
  const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request(
      { method, host, port, path, agent, headers: { ...headers, ...length } },
      (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}
