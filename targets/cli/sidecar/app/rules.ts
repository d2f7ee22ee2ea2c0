import { configurationError } from "../../../../src/errors.ts";
import type { Compile } from "../../../_resources/routes.ts";

export const compile: Compile = (rule) => {
  throw configurationError(`the rule ${rule}: rules are not built yet`);
};
