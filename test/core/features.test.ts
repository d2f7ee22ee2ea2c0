import * as memory from "../../bindings/memory.ts";
import { type StateFeature, stateStore } from "../../src/contracts/state.ts";
import { localStateSuite } from "../conformance/suite.ts";

/** The reference store, claiming less than it can. */
const claiming = (features: readonly StateFeature[]) =>
  stateStore({
    type: "state.less",
    runsOn: ["node"],
    clock: "host",
    fields: {},
    features: () => features,
    open: (_settings, host, name) => memory.state({}).open(host, name),
  })({});

// What is not claimed must be refused by core, though the store itself could do it.
localStateSuite("a store that claims nothing", claiming([]));
localStateSuite("a store that claims only TTL", claiming(["TTL"]));
localStateSuite("a store that claims only ETAG", claiming(["ETAG"]));
