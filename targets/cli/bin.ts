#!/usr/bin/env node
// An old Node must still parse this file to be told that it is old: no syntax later than Node 12's, and
// nothing imported before the check.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  import("./main.ts").then(async ({ main }) => {
    process.exitCode = await main(process.argv.slice(2));
  });
} else {
  console.error(
    `pillion needs Node 22.18 or later, and this is ${process.versions.node}: https://nodejs.org`,
  );
  process.exitCode = 1;
}
