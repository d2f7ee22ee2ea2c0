/** What pillion uses of the module that workerd provides. Not emitted: no public type depends on it. */
declare module "cloudflare:workers" {
  export const env: Readonly<Record<string, unknown>>;
  export const exports: Readonly<Record<string, unknown>>;
  export class DurableObject {
    constructor(context: unknown, env: unknown);
    protected ctx: unknown;
    protected env: unknown;
  }
}
