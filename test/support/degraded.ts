import { fieldsOf, get } from "./http-client.ts";
import { until } from "./test-node.ts";

/**
 * What readiness names as degraded, a line each; empty when it names nothing. What is wrong with NATS never turns clients away; what a busy machine
 * does to a node for a moment passes, and it is asked again. @throws Error when it is not ready for any other reason, or for too long.
 */
export async function degradedOf(url: string): Promise<string> {
  const { text } = await until("the node is ready", async () => {
    const answer = await get(url, "/readyz");
    const { degraded = [], detail } = fieldsOf(answer);
    if (answer.status === 200) return { text: (degraded as readonly string[]).join("\n") };
    if (!BUSY.test(String(detail))) throw new Error(`a node is ready whatever NATS is like: ${answer.text}`);
    return null;
  });
  return text;
}

/** All that `detail` of a 503 may say, in the words of `readiness.ts`. */
const BUSY =
  /^not ready: (Event loops do not get on|The \S+ thread has made no progress|The journal thread does not answer|The read models|The oldest command)/;
