import type { Host } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import type { Scope } from "./_sigv4.ts";

/** Settings that say where the service is and who calls; what is missing comes from the environment. */
export interface AccountSettings {
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly accessKey: string | undefined;
  readonly secretKey: string | undefined;
  readonly sessionToken: string | undefined;
}

export function scopeOf(
  service: string,
  settings: AccountSettings,
  env: Host["env"],
  component: string,
): Scope {
  const region = settings.region || variable("AWS_REGION") || variable("AWS_DEFAULT_REGION");
  if (!region) {
    throw config("no AWS region: set the setting region, or AWS_REGION");
  }
  return { service, region, credentials: credentials(), url: url(region) };

  function credentials() {
    const { accessKey, secretKey, sessionToken } = settings;
    if (accessKey && secretKey) return { accessKey, secretKey, sessionToken };
    if (accessKey || secretKey) {
      throw config(
        `the settings accessKey and secretKey go together: ${accessKey ? "secretKey" : "accessKey"} is missing`,
      );
    }
    const id = variable("AWS_ACCESS_KEY_ID");
    const secret = variable("AWS_SECRET_ACCESS_KEY");
    if (id && secret)
      return { accessKey: id, secretKey: secret, sessionToken: variable("AWS_SESSION_TOKEN") };
    throw config(
      "no AWS credentials: set the settings accessKey and secretKey, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    );
  }

  function url(region: string): URL {
    const endpoint =
      settings.endpoint ||
      variable(
        `AWS_ENDPOINT_URL_${service === "events" ? "EVENTBRIDGE" : service.toUpperCase()}`,
      ) ||
      variable("AWS_ENDPOINT_URL");
    if (endpoint) {
      if (URL.canParse(endpoint) && /^https?:/i.test(endpoint)) return new URL(endpoint);
      throw config(
        `the endpoint ${JSON.stringify(endpoint)} is not an http or https URL: correct the setting endpoint, or AWS_ENDPOINT_URL`,
      );
    }
    const suffix = region.startsWith("cn-") ? ".cn" : "";
    const address = `https://${service}.${region}.amazonaws.com${suffix}`;
    if (URL.canParse(address) && /^[a-z0-9-]+$/.test(region)) return new URL(address);
    throw config(
      `${JSON.stringify(region)} is not an AWS region: correct the setting region, or AWS_REGION`,
    );
  }

  function variable(name: string): string | undefined {
    const value = env[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  }

  function config(problem: string): ComponentError {
    return new ComponentError("config", `component ${component}: ${problem}`);
  }
}
