import type { IncomingMessage, ServerResponse } from "node:http";

const index = `Profiles of this process:
/debug/pprof/profile?seconds=30   CPU, for Chrome's developer tools as a .cpuprofile
/debug/pprof/heap                 memory, for them as a .heapsnapshot
`;

let busy = false;

/** Answers requests for profiles of V8, one at a time: each slows the process down. */
export async function profile(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = URL.parse(request.url ?? "/", "http://localhost");
  if (!url) return say(response, 400, "that is no path\n");
  const page = url.pathname.replace(/\/$/, "");
  if (request.method !== "GET") return say(response, 405, "only GET\n");
  if (page === "/debug/pprof") return say(response, 200, index);
  if (page !== "/debug/pprof/profile" && page !== "/debug/pprof/heap") {
    return say(response, 404, "there is /debug/pprof/\n");
  }
  if (busy) return say(response, 503, "a profile is under way already\n");
  busy = true;
  try {
    if (page.endsWith("heap")) await sendHeap(response);
    else await sendProfile(Number(url.searchParams.get("seconds") ?? 30), response);
  } finally {
    busy = false;
  }
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}

async function sendProfile(seconds: number, response: ServerResponse): Promise<void> {
  if (!(seconds > 0 && seconds <= 300)) {
    return say(response, 400, "seconds must be a number up to 300\n");
  }
  const { Session } = await import("node:inspector/promises");
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
    await pause(seconds * 1000, response);
    const { profile } = await session.post("Profiler.stop");
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(profile));
  } finally {
    session.disconnect();
  }
}

/** Ends early where nobody waits for the answer any more. */
function pause(ms: number, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    response.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function sendHeap(response: ServerResponse): Promise<void> {
  const [{ getHeapSnapshot }, { pipeline }] = await Promise.all([
    import("node:v8"),
    import("node:stream/promises"),
  ]);
  response.writeHead(200, { "content-type": "application/json" });
  // Whoever asked may leave in the middle.
  await pipeline(getHeapSnapshot(), response).catch(() => undefined);
}
