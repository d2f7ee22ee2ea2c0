import type { Components } from "../../src/runtime.ts";
import type { DeclaredSubscription } from "../_app/routes.ts";

/** Names are components' alone. A symbol for each folder, so that those of several can be spread into one object. */
const mark = "pillion.subscriptions";

/** The components, with what their resources subscribe the app to, for whoever serves it with them. */
export function withSubscriptions(
  components: Components,
  subscriptions: readonly DeclaredSubscription[],
): Components {
  return subscriptions.length === 0 ? components : { ...components, [Symbol(mark)]: subscriptions };
}

export function subscriptionsIn(components: Components = {}): readonly DeclaredSubscription[] {
  return Object.getOwnPropertySymbols(components)
    .filter(({ description }) => description === mark)
    .flatMap((symbol) => (components as Declaring)[symbol] ?? []);
}

type Declaring = Readonly<Record<symbol, readonly DeclaredSubscription[]>>;
