import { cel } from "../../src/cel.ts";
import type { CloudEvent } from "../../src/index.ts";

interface Question {
  readonly rule: string;
  readonly event: CloudEvent;
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { rule, event } = (await request.json()) as Question;
    try {
      return Response.json({ matches: cel(rule)(event) });
    } catch (error) {
      return Response.json({ error: (error as Error).message });
    }
  },
};
