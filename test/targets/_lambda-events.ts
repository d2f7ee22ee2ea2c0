import { type HttpResult, serve } from "../../targets/lambda/index.ts";

// One event of every shape that carries HTTP, as AWS documents them.

export const functionUrl = {
  version: "2.0",
  routeKey: "$default",
  rawPath: "/orders/a%2Fb",
  rawQueryString: "q=%C3%A9&q=2&empty=&plus=a+b",
  cookies: ["session=abc", "theme=dark"],
  headers: {
    host: "abc123.lambda-url.eu-central-1.on.aws",
    "content-type": "application/json",
    "content-length": "13",
    "x-forwarded-proto": "https",
    accept: "text/html,application/json",
  },
  requestContext: {
    accountId: "anonymous",
    apiId: "abc123",
    domainName: "abc123.lambda-url.eu-central-1.on.aws",
    http: {
      method: "POST",
      path: "/orders/a%2Fb",
      protocol: "HTTP/1.1",
      sourceIp: "1.2.3.4",
      userAgent: "curl",
    },
    requestId: "r-1",
    stage: "$default",
  },
  body: '{"id":"é"}\n ',
  isBase64Encoded: false,
};

export const restApi = {
  resource: "/{proxy+}",
  path: "/orders/a%2Fb",
  httpMethod: "PUT",
  headers: { Host: "abc.execute-api.eu-central-1.amazonaws.com", "X-Once": "1", "X-Twice": "b" },
  multiValueHeaders: {
    Host: ["abc.execute-api.eu-central-1.amazonaws.com"],
    "X-Once": ["1"],
    "X-Twice": ["a", "b"],
  },
  queryStringParameters: { tag: "b&c", "a key": "é" },
  multiValueQueryStringParameters: { tag: ["a", "b&c"], "a key": ["é"] },
  pathParameters: { proxy: "orders/a/b" },
  requestContext: {
    stage: "prod",
    path: "/prod/orders/a%2Fb",
    domainName: "abc.execute-api.eu-central-1.amazonaws.com",
  },
  body: "aGVsbG8=",
  isBase64Encoded: true,
};

export const loadBalancer = {
  requestContext: {
    elb: { targetGroupArn: "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/t/1" },
  },
  httpMethod: "GET",
  path: "/orders/a%2Fb",
  queryStringParameters: { "a%20key": "%C3%A9", tag: "b%26c" },
  headers: { host: "lb.example.com", "x-forwarded-proto": "http", cookie: "session=abc" },
  body: "",
  isBase64Encoded: false,
};

export const loadBalancerOfMany = {
  requestContext: loadBalancer.requestContext,
  httpMethod: "GET",
  path: "/orders",
  multiValueQueryStringParameters: { tag: ["a", "b%26c"] },
  multiValueHeaders: { host: ["lb.example.com"], "x-twice": ["a", "b"], cookie: ["a=1", "b=2"] },
  body: "",
  isBase64Encoded: false,
};

export function answerTo(
  event: object,
  fetch: (request: Request) => Response | Promise<Response>,
): Promise<HttpResult> {
  const handler = serve({ id: "codec", fetch });
  return handler(event, { awsRequestId: "r", getRemainingTimeInMillis: () => 1000 });
}
