// One file of the build with the evaluator in it: see ../../build/bundle.ts.
export * from "../../../../src/cel.ts";
