import * as memory from "../bindings/memory.ts";
import { localStateSuite } from "./conformance/suite.ts";

localStateSuite("state.in-memory", memory.state({}));
