import { readFileSync } from "node:fs";
import type { PillionEvent, StateCallName } from "../../../src/events.ts";
import type { Served } from "./listener.ts";
import { createMessages } from "./messages.ts";
import {
  counter,
  countsOf,
  head,
  histogram,
  label,
  madeIn,
  newSeries,
  observe,
  type Series,
} from "./series.ts";

/** Counts what a sidecar does, by the names that daprd gives it, for Prometheus. */
export interface Metrics {
  served(served: Served): void;
  /** To be told every event of the runtime. */
  heard(event: PillionEvent): void;
  componentLoaded(): void;
  componentInitialized(type: string): void;
  componentFailed(name: string, type: string): void;
  /** In Prometheus' text format. */
  text(): string;
}

export function createMetrics(id: string, namespace: string): Metrics {
  const requests = new Map<string, Map<number, Series>>();
  const calls = new Map<string, Map<string, Series>>();
  const loaded = new Map<string, number>();
  const initialized = new Map<string, number>();
  const failed = new Map<string, number>();
  const app = label("app_id", id);
  const common = `${app},${label("namespace", namespace)}`;
  const messages = createMessages(common);
  const count = (counts: Map<string, number>, labels: string) =>
    void counts.set(labels, (counts.get(labels) ?? 0) + 1);

  return {
    served({ request, status, durationMs }) {
      const method = methods.has(request.method) ? request.method : "OTHER";
      const byStatus = madeIn(requests, method, () => new Map<number, Series>());
      observe(madeIn(byStatus, status, newSeries), durationMs);
    },
    heard(event) {
      if (event.type !== "state.call") return messages.heard(event);
      const { component, operation, durationMs, error } = event;
      const ofComponent = madeIn(calls, component, () => new Map<string, Series>());
      const outcome = error ? failures[operation] : daprNames[operation];
      observe(madeIn(ofComponent, outcome, newSeries), durationMs);
    },
    componentLoaded: () => count(loaded, app),
    componentInitialized: (type) => count(initialized, `${app},${label("component", type)}`),
    componentFailed: (name, type) =>
      count(
        failed,
        `${app},${label("component", type)},${label("component_name", name)},reason="init"`,
      ),
    text: () =>
      [
        ...requestLines(app, requests),
        ...callLines(common, calls),
        ...messages.lines(),
        ...counter("dapr_runtime_component_loaded", "Components that are declared", loaded),
        ...counter("dapr_runtime_component_init_total", "Components connected", initialized),
        ...counter("dapr_runtime_component_init_fail_total", "Components that failed", failed),
        ...processLines(),
      ].join("\n") + "\n",
  };
}

/** Another word is a client's own, and would make a series of every one. */
const methods = new Set(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]);

const daprNames = {
  get: "get",
  getBulk: "bulk_get",
  set: "set",
  setBulk: "bulk_set",
  delete: "delete",
  deleteBulk: "bulk_delete",
  transaction: "transaction",
  list: "list",
} as const satisfies Readonly<Record<StateCallName, string>>;

/** The same calls where they failed: made once, since a call in time is no place to join texts. */
const failures = Object.fromEntries(
  Object.entries(daprNames).map(([operation, name]) => [operation, `${name} failed`]),
) as Readonly<Record<StateCallName, string>>;

function requestLines(app: string, requests: ReadonlyMap<string, ReadonlyMap<number, Series>>) {
  const flat = new Map<string, Series>();
  for (const [method, byStatus] of requests) {
    for (const [status, series] of byStatus) {
      flat.set(`${app},method="${method}",path="",status="${status}"`, series);
    }
  }
  return [
    ...counter("dapr_http_server_request_count", "HTTP requests", countsOf(flat)),
    ...histogram("dapr_http_server_latency", "Milliseconds of HTTP requests", flat),
  ];
}

function callLines(common: string, calls: ReadonlyMap<string, ReadonlyMap<string, Series>>) {
  const flat = new Map<string, Series>();
  for (const [component, byOutcome] of calls) {
    for (const [outcome, series] of byOutcome) {
      const [operation, failed] = outcome.split(" ");
      const labels = `${common},${label("component", component)},operation="${operation}"`;
      flat.set(`${labels},success="${failed === undefined}"`, series);
    }
  }
  return [
    ...counter("dapr_component_state_count", "Calls of state stores", countsOf(flat)),
    ...histogram("dapr_component_state_latencies", "Milliseconds of state calls", flat),
  ];
}

/** By the names that Prometheus' own clients have for any process. */
function processLines(): string[] {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const started = Date.now() / 1000 - process.uptime();
  const gauge = (name: string, help: string, value: number) => [
    ...head(name, help, "gauge"),
    `${name} ${value}`,
  ];
  return [
    ...head("process_cpu_seconds_total", "Seconds of CPU", "counter"),
    `process_cpu_seconds_total ${(user + system) / 1e6}`,
    ...gauge("process_resident_memory_bytes", "Memory in use", rss),
    ...gauge("process_virtual_memory_bytes", "Memory reserved", virtualMemory()),
    ...gauge("process_start_time_seconds", "Start, since the epoch", started),
    ...gauge("nodejs_heap_size_used_bytes", "Memory of JavaScript's objects", heapUsed),
  ];
}

function virtualMemory(): number {
  try {
    return Number(/^VmSize:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
  } catch {
    return 0;
  }
}
