/** How Dapr carries data of a content type: as JSON, in base64 or as text. */
export function carriageOf(contentType: string): "json" | "bytes" | "text" {
  if (contentType === "application/json") return "json";
  const type = mediaType(contentType);
  if (/^application\/(octet-stream|(x-)?protobuf|cloudevents\+protobuf)$/.test(type))
    return "bytes";
  return type === "application/json" || type.endsWith("+json") ? "json" : "text";
}

/** Without parameters, in lower case. */
export function mediaType(contentType: string): string {
  return (contentType.split(";")[0] as string).trim().toLowerCase();
}
