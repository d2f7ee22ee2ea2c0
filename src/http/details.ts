/** One entry of an error's `details`, in the words of google.rpc. Keys are in the order that Go sorts them into. */
export type Detail = { readonly "@type": string } & Readonly<Record<string, unknown>>;

const type = (name: string) => ({ "@type": `type.googleapis.com/google.rpc.${name}` });

export function errorInfo(reason: string, metadata: Metadata | null = null): Detail {
  return {
    ...type("ErrorInfo"),
    domain: "dapr.io",
    metadata: metadata && sorted(metadata),
    reason,
  };
}

export function resourceInfo(resourceType: string, name: string): Detail {
  return {
    ...type("ResourceInfo"),
    description: "",
    owner: "",
    resource_name: name,
    resource_type: resourceType,
  };
}

export function badRequest(field: string, description: string): Detail {
  return { ...type("BadRequest"), field_violations: [{ field, description }] };
}

export function help(url: string, description: string): Detail {
  return { ...type("Help"), links: [{ description, url }] };
}

type Metadata = Iterable<readonly [string, string]>;

/** As Go writes a map. Entries, not properties: a name may be any text. */
export function sorted(entries: Metadata): Record<string, string> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}
