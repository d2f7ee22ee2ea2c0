import { ComponentError } from "../../src/errors.ts";
import { isTransient, type ServiceFailure } from "./_service.ts";

/** A component's finding for what any service of AWS may answer. `what` is what the operation was about. */
export function faultOf(
  failure: ServiceFailure,
  component: string,
  service: string,
  what: string,
): ComponentError {
  const { name, status } = failure;
  const message = withoutAccount(failure.message);
  if (isTransient(failure)) {
    const problem = status === undefined ? message : said(service, failure);
    return fault("unavailable", component, problem, failure);
  }
  if (name.startsWith("AccessDenied") || name === "AuthorizationError") {
    const problem = `AWS refuses access to ${what}: ${message}`;
    return fault("config", component, problem, failure);
  }
  if (status === 401 || status === 403 || credentialErrors.has(name)) {
    const problem = `AWS does not accept the credentials (settings accessKey, secretKey and sessionToken, or the environment): ${said(service, failure)}`;
    return fault("config", component, problem, failure);
  }
  return fault("invalid", component, said(service, failure), failure);
}

export function fault(
  kind: "config" | "unavailable" | "invalid",
  component: string,
  problem: string,
  cause: unknown,
): ComponentError {
  return new ComponentError(kind, `component ${component}: ${problem}`, { cause });
}

export function said(service: string, { name, message }: ServiceFailure): string {
  return `${service} answered ${name}: ${withoutAccount(message)}`;
}

/** The text may reach whoever called the app. Account and role are the operator's to know, and stand in the cause. */
function withoutAccount(message: string): string {
  return message.replace(/\barn:[^\s,"]+/g, "(an ARN)").replace(/\b\d{12}\b/g, "(an account)");
}

const credentialErrors = new Set([
  "CredentialsProviderError",
  "ExpiredTokenException",
  "IncompleteSignatureException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
  "RequestExpired",
  "RequestTimeTooSkewed",
  "UnrecognizedClientException",
]);
