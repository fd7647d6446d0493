import { fieldsOf, get } from "./http-client.ts";
import { until } from "./test-node.ts";

/**
 * What readiness names as degraded, a line each; empty when it names nothing. What is wrong with NATS alone never turns clients away; when a node is not ready for another reason, as on a
 * machine that is busy for a moment, it is asked again. @throws Error when that is NATS, or does not pass.
 */
export async function degradedOf(url: string): Promise<string> {
  const { text } = await until("the node is ready", async () => {
    const answer = await get(url, "/readyz");
    const { degraded = [], detail } = fieldsOf(answer);
    if (answer.status === 200) return { text: (degraded as readonly string[]).join("\n") };
    if (String(detail).includes("NATS")) throw new Error(`a node is ready whatever NATS is like: ${answer.text}`);
    return null;
  });
  return text;
}
