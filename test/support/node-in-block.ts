/** Uses a node in a block on the folder of its argument and says "left" behind it. Whatever is left open keeps the process. */
import { openOnNode } from "./node-door.ts";
import { balanceOf, deposit, openNode } from "./test-node.ts";

const [, , dir = ""] = process.argv;
{
  const { node } = await openNode(dir, { "--shard.threads": 2 });
  await using _closed = node;
  await openOnNode(node, "alice", "0");
  await deposit(node, "first", "alice");
  await node.statement("alice", { after: 0, limit: 10 });
  await node.readiness();
  process.stdout.write(`${await balanceOf(node, "alice")} `);
}
process.stdout.write("left\n");
