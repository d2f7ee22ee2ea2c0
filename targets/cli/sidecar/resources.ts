// Everything that reads YAML, behind one door: a sidecar that is given none does not load the parser.
export { readingOnce } from "../../_resources/folder.ts";
export { loadComponents } from "../../_resources/load.ts";
export { loadSubscriptions } from "../../_resources/subscriptions.ts";
export { readConfiguration } from "./configuration.ts";
