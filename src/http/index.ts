export { type Api, type ApiSettings, type RuntimeApiOptions, runtimeApi } from "./api.ts";
export type {
  AccessRule,
  ApiRequest,
  ApiResponse,
  AppConnection,
  Process,
  ShownSubscription,
} from "./contract.ts";
export { type ApiOptions, createApi } from "./create.ts";
