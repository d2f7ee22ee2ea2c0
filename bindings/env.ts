import { secretStore } from "../src/contracts/secrets.ts";

const fields = {
  prefix: {
    type: "string",
    default: "",
    description: "What comes before a secret's name in the name of its variable.",
  },
} as const;

/** Names that hold the runtime's own secrets, whatever their case: Dapr shows them to nobody. */
const guarded = /^(APP_API_TOKEN$|DAPR_)/i;

/** Secrets in variables: of the process, or of the Worker. */
export const secrets = /* @__PURE__ */ secretStore({
  type: "secretstores.local.env",
  runsOn: ["node", "workers", "lambda"],
  fields,
  open: ({ prefix }, { env }) => ({
    async get(name) {
      const variable = prefix + name;
      if (guarded.test(variable) || !Object.hasOwn(env, variable)) return undefined;
      const value = env[variable];
      // A worker binding of another kind is no secret.
      return typeof value === "string" ? { [name]: value } : undefined;
    },
  }),
});
