// One file of the build with its driver in it: see ../../build/bundle.ts.
export * from "../../../../bindings/node/nats.ts";
