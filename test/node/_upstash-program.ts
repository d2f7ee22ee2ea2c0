import { callOf, storeOn } from "./_upstash-store.ts";

// Run by upstash-trouble.test.ts as a process of its own, which nothing ends.

const [url = "", token = ""] = process.argv.slice(2);
const store = storeOn({ url, token, timeout: "1h" });
await store.set("program", { json: "1" }, {}, callOf());
const item = await store.get("program", {}, callOf());
console.log("read", item && "json" in item.value ? item.value.json : undefined);
