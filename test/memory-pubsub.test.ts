import * as memory from "../bindings/memory.ts";
import { pubSubSuite } from "./conformance/pubsub.ts";

const lost = "a message is gone where nobody subscribes";
const own = "each process has a bus of its own";

pubSubSuite("pubsub.in-memory", () => memory.pubsub({}), {
  alone: true,
  wildcard: (name) => ({ filter: `${name}*`, inside: `${name}-inside`, outside: `other-${name}` }),
  skips: {
    "every consumer gets every message": own,
    "two processes of one consumer share the messages": own,
    "stopping one process leaves the messages to the other": own,
    "what is published while no process runs is delivered to the next one": lost,
    "stop waits for the handler in hand, and what waited behind it goes to the next": lost,
    "a message whose time is over is delivered to nobody": lost,
  },
});
