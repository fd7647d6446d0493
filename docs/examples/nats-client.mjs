// Opens an account, pays in twice under one key, shows what is there. Nothing of Troupe is imported.
import { connect, headers } from "nats";

const connection = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222" });
async function call(command, { id = "", key = "", body = null }) {
  const head = headers();
  if (id !== "") head.set("Troupe-Id", encodeURIComponent(id));
  if (key !== "") head.set("Idempotency-Key", key);
  const options = { headers: head, timeout: 35_000 };
  const answer = await connection.request(`troupe.v1.${command}`, body === null ? "" : JSON.stringify(body), options);
  if (answer.headers?.has("Nats-Service-Error")) throw new Error(answer.string());
  return answer.json();
}
await call("account.open", { body: { id: "alice", currency: "CZK" } });
const body = { accountId: "alice", amount: "10.50", currency: "CZK" };
for (let sent = 1; sent <= 2; sent++) console.log((await call("transfer.deposit", { key: "first", body })).id);
console.log((await call("account.get", { id: "alice" })).balance);
await connection.close();
