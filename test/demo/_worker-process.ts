/** Serves the example in workerd with Miniflare's Queues: a process of its own, so that it can be killed with its workerd. */
import { startMiniflare } from "../harness/miniflare.ts";

const [entry, folder] = process.argv.slice(2) as [entry: string, folder: string];
const parent = process.ppid;
const { urls, stop } = await startMiniflare({
  workers: { orders: entry },
  folder,
  objects: `${folder}/objects`,
  queues: { orders: { consumer: "orders" }, refunds: { consumer: "orders" } },
});
console.log(urls.orders);
process.once("SIGTERM", end);
// Whoever started this one may have been killed.
setInterval(() => process.ppid !== parent && end(), 500).unref();

function end(): void {
  stop().finally(() => process.exit());
}
