import { isGuarded, secretStore } from "../src/contracts/secrets.ts";

const fields = {
  prefix: {
    type: "string",
    default: "",
    description: "What comes before a secret's name in the name of its variable.",
  },
} as const;

/** Secrets in variables: of the process, or of the Worker. */
export const secrets = /* @__PURE__ */ secretStore({
  type: "secretstores.local.env",
  runsOn: ["node", "workers", "lambda"],
  fields,
  open: ({ prefix }, { env }) => ({
    async get(name) {
      const variable = prefix + name;
      if (isGuarded(variable) || !Object.hasOwn(env, variable)) return undefined;
      const value = env[variable];
      // A worker binding of another kind is no secret.
      return typeof value === "string" ? { [name]: value } : undefined;
    },
  }),
});
