#!/bin/sh
# Builds the native half of aws-lambda-ric beside its JavaScript, from the sources in its package: no network.
# Needs cmake, g++, make, xz, python3, and the headers of a Node (node-gyp would download them).
set -eu
cd "$(dirname "$0")"
ric="$PWD/node_modules/aws-lambda-ric"
[ -d "$ric" ] || npm ci --ignore-scripts --no-audit --no-fund
[ -f "$ric/rapid-client.node" ] && [ "${1:-}" != "--force" ] && exit 0

headers() {
  for dir in \
    "$(node -p 'require("node:path").resolve(process.execPath, "../..")')" \
    "$PWD"/../../node_modules/node/node_modules/node-*/ \
    "$PWD"/../../node_modules/node-linux-*/ \
    /usr /usr/local; do
    [ -f "$dir/include/node/node_api.h" ] && { (cd "$dir" && pwd); return; }
  done
  echo "no Node headers found: set npm_config_nodedir to a folder with include/node/node_api.h" >&2
  return 1
}

npm_config_nodedir="${npm_config_nodedir:-$(headers)}"
export npm_config_nodedir
# `npm rebuild` may refuse scripts that nobody approved, so these are called by name.
sh "$ric/scripts/preinstall.sh"
sh "$ric/scripts/postinstall.sh"
