import { readFileSync } from "node:fs";
import type { PillionEvent, StateCallName } from "../../../src/events.ts";
import type { Served } from "./listener.ts";

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

/** Upper bounds in milliseconds, as daprd has them. */
const bounds = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400,
  500, 650, 800, 1000, 2000, 5000, 10000, 20000, 50000, 100000,
];

interface Series {
  count: number;
  sum: number;
  /** By bound; what is beyond the last is only in the count. */
  readonly buckets: Float64Array;
}

export function createMetrics(id: string, namespace: string): Metrics {
  const requests = new Map<string, Map<number, Series>>();
  const calls = new Map<string, Map<string, Series>>();
  const loaded = new Map<string, number>();
  const initialized = new Map<string, number>();
  const failed = new Map<string, number>();
  const app = label("app_id", id);
  const count = (counts: Map<string, number>, labels: string) =>
    void counts.set(labels, (counts.get(labels) ?? 0) + 1);

  return {
    served({ request, status, durationMs }) {
      const method = methods.has(request.method) ? request.method : "OTHER";
      let byStatus = requests.get(method);
      if (!byStatus) requests.set(method, (byStatus = new Map()));
      let series = byStatus.get(status);
      if (!series) byStatus.set(status, (series = newSeries()));
      observe(series, durationMs);
    },
    heard(event) {
      if (event.type !== "state.call") return;
      const { component, operation, durationMs, error } = event;
      let ofComponent = calls.get(component);
      if (!ofComponent) calls.set(component, (ofComponent = new Map()));
      const outcome = error ? failures[operation] : daprNames[operation];
      let series = ofComponent.get(outcome);
      if (!series) ofComponent.set(outcome, (series = newSeries()));
      observe(series, durationMs);
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
        ...callLines(`${app},${label("namespace", namespace)}`, calls),
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

function newSeries(): Series {
  return { count: 0, sum: 0, buckets: new Float64Array(bounds.length) };
}

function observe(series: Series, ms: number): void {
  series.count++;
  series.sum += ms;
  for (let at = 0; at < bounds.length; at++) {
    if (ms > (bounds[at] as number)) continue;
    (series.buckets[at] as number)++;
    return;
  }
}

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

function countsOf(all: ReadonlyMap<string, Series>): Map<string, number> {
  return new Map([...all].map(([labels, { count }]) => [labels, count]));
}

function counter(name: string, help: string, counts: ReadonlyMap<string, number>): string[] {
  if (counts.size === 0) return [];
  const lines = [...counts].map(([labels, value]) => `${name}{${labels}} ${value}`);
  return [...head(name, help, "counter"), ...lines];
}

function histogram(name: string, help: string, all: ReadonlyMap<string, Series>): string[] {
  if (all.size === 0) return [];
  const lines = [...all].flatMap(([labels, { count, sum, buckets }]) => {
    let below = 0;
    const lines = bounds.map((bound, at) => {
      below += buckets[at] as number;
      return `${name}_bucket{${labels},le="${bound}"} ${below}`;
    });
    return [
      ...lines,
      `${name}_bucket{${labels},le="+Inf"} ${count}`,
      `${name}_sum{${labels}} ${sum}`,
      `${name}_count{${labels}} ${count}`,
    ];
  });
  return [...head(name, help, "histogram"), ...lines];
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

function head(name: string, help: string, type: string): string[] {
  return [`# HELP ${name} ${help}.`, `# TYPE ${name} ${type}`];
}

function label(name: string, value: string): string {
  const escaped = value.replace(/[\\"\n]/g, (found) => (found === "\n" ? "\\n" : `\\${found}`));
  return `${name}="${escaped}"`;
}
