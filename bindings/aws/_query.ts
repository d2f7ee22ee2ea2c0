import { ServiceFailure } from "./_service.ts";
import { type Protocol, unknownAnswer } from "./_wire.ts";

const decoder = new TextDecoder();

/** AWS's Query protocol: a form goes out, and the text of an XML document comes back. */
export function queryProtocol(label: string, service: string, version: string): Protocol {
  return {
    service,
    encode: (operation, input) => ({
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: formOf({ Action: operation, Version: version, ...input }),
    }),
    decode(operation, { status, body }) {
      const xml = decoder.decode(body);
      // Whatever else stands between us and the service does not answer with these elements.
      if (status === 200 && xml.includes(`</${operation}Response>`)) return xml;
      const code = xml.includes("</ErrorResponse>") ? textOf(xml, "Code") : undefined;
      if (code === undefined) throw unknownAnswer(status, label);
      throw new ServiceFailure(code, textOf(xml, "Message") ?? `status ${status}`, { status });
    },
  };
}

function formOf(input: object): string {
  const form = new URLSearchParams();
  const add = (name: string, value: unknown): void => {
    if (value === undefined) return;
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) add(`${name}.member.${index + 1}`, item);
    } else if (typeof value === "object" && value !== null) {
      for (const [key, item] of Object.entries(value)) add(name ? `${name}.${key}` : key, item);
    } else {
      form.append(name, String(value));
    }
  };
  add("", input);
  return form.toString();
}

/** The text of the first element of that name, or undefined where there is none that holds text alone. */
export function textOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text?.replace(/&(#x[\da-f]+|#\d+|\w+);/gi, (entity, code: string) =>
    code.startsWith("#") ? characterOf(code.slice(1)) : (entities[code] ?? entity),
  );
}

/** What is in each element of that name, none of which may hold another of the same. */
export function partsOf(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, "gs"))].map(
    ([, inside]) => inside as string,
  );
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function characterOf(code: string): string {
  return String.fromCodePoint(Number(code.startsWith("x") ? `0${code}` : code));
}
