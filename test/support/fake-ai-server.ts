/** A `FakeAi` in a process of its own, told over IPC what to do; `fake-ai-process.ts` starts it. */

import { FakeAi } from "./fake-ai.ts";
import type { AiRequest } from "./fake-ai-process.ts";

const [settings = "{}", seed = "1"] = process.argv.slice(2);
const ai = await FakeAi.start(JSON.parse(settings), Number(seed));
process.on("message", (request: AiRequest) => void take(request).then((value) => process.send?.({ id: request.id, value })));
process.once("disconnect", () => process.exit(0)); // Whoever started it is gone.
process.send?.({ id: 0, value: ai.url });

async function take({ kind, settings: changed, faults }: AiRequest): Promise<unknown> {
  switch (kind) {
    case "set":
      return ai.set(changed ?? {});
    case "plant":
      return ai.plant(...(faults ?? []));
    case "calls":
      return ai.calls;
    case "count":
      return ai.callCount;
    case "down":
      return await ai.down();
    case "up":
      return await ai.up();
  }
}
