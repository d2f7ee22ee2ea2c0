import { delivery } from "./delivery.ts";
import { failures } from "./failures.ts";
import { lasting } from "./lasting.ts";

/** What every broker must do, by name; a feature decides what is left out, as for `stateCases`. */
export const pubSubCases = { ...delivery, ...failures, ...lasting } as const;

export type PubSubCaseName = keyof typeof pubSubCases;
export type { PubSubBed, PubSubCase, Subscriber } from "./case.ts";
