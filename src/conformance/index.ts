export { type StateBed, type StateCase, type StateCaseName, stateCases } from "./state/index.ts";
