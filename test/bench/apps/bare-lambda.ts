import { Hono } from "hono";
import { handle } from "hono/aws-lambda";
import { routes } from "./routes.ts";

export const handler = handle(routes(new Hono()));
