/** `troupe effects` and `troupe deadletters` as a person runs them, against a server in a process of its own (R-SYS-3, issue 3 C). */
import { expect, it } from "vitest";
import { figuresOf, runCli, tempFolder } from "../../support/cli.ts";
import { type EffectsServer, startEffectsServer } from "../../support/effects-server-process.ts";
import { until } from "../../support/test-node.ts";
import { startUpstream } from "../../support/upstream-process.ts";

interface Listed {
  readonly items: ReadonlyArray<{ readonly id: string }>;
}
const cli = async (dir: string, ...words: readonly string[]) => figuresOf(await runCli(...words, "--data-dir", dir, "--json"));
const notice = (server: EffectsServer, name: string, mode: string) => server.ask(`courier/${name}`, "notice", { name, mode }, name);

it("dead letters are listed, shown, replayed and dropped; effects listed and cancelled; what is over says so", async () => {
  using folder = tempFolder();
  await using upstream = await startUpstream();
  await using server = await startEffectsServer(folder.path, upstream.url);
  await notice(server, "first", "poison");
  await notice(server, "second", "poison");
  await server.ask("courier/third", "ask", { name: "third", mode: "ok" });
  await until("two dead letters", async () => {
    const { items } = (await cli(folder.path, "deadletters", "list")) as unknown as Listed;
    return items.length === 2;
  });
  const { items } = (await cli(folder.path, "deadletters", "list")) as unknown as Listed;
  const [one = { id: "" }, other = { id: "" }] = items;
  expect(await cli(folder.path, "deadletters", "show", one.id)).toMatchObject({
    ok: true,
    effect: { id: one.id, state: "dead", to: "notices", attempts: 3, lastError: expect.stringMatching(/^attempt 3 of 3 failed/) },
  });
  expect(await cli(folder.path, "effects", "cancel", one.id)).toMatchObject({ ok: false, code: "illegal_transition" });
  await upstream.heal();
  expect(await cli(folder.path, "deadletters", "replay", one.id)).toMatchObject({ ok: true, ids: [one.id] });
  expect(await cli(folder.path, "deadletters", "drop", other.id)).toMatchObject({ ok: true });
  expect(await cli(folder.path, "deadletters", "drop", other.id)).toMatchObject({ ok: false, code: "EFFECT_CLOSED" });
  await until("nothing is open", async () => ((await cli(folder.path, "effects", "list")) as unknown as Listed).items.length === 0);
  expect(await cli(folder.path, "effects", "show", one.id)).toMatchObject({ ok: false, code: "not_found" });
  const calls = await upstream.calls();
  expect(calls.filter(({ isFirst }) => isFirst).length).toBe(2); // The third, and one of the two.
  await server.stop();
});

it("people get a table, the way to more, and a sentence when nobody runs", async () => {
  using folder = tempFolder();
  expect(await cli(folder.path, "effects", "list")).toMatchObject({ ok: false, code: "SERVER_NOT_RUNNING" });
  await using upstream = await startUpstream();
  await using server = await startEffectsServer(folder.path, upstream.url);
  const none = await runCli("effects", "list", "--url", server.adminUrl);
  expect([none.stdout, none.code]).toEqual(["None.\n", 0]);
  for (const name of ["a", "b"]) await server.ask(`courier/${name}`, "send", { name, mode: "hang" }, name);
  const { stdout } = await runCli("effects", "list", "--limit", "1", "--url", server.adminUrl);
  expect(stdout).toMatch(/^ +effect +state +from +what +failed +last error\n +\d+\.\d+\.\d+\.\d+ .*courier\/. +call parcels post/);
  const more = /more: --after (\S+)/.exec(stdout)?.[1] ?? "";
  const rest = figuresOf(await runCli("effects", "list", "--after", more, "--url", server.adminUrl, "--json"));
  expect(rest).toMatchObject({ items: [{ to: "parcels" }], next: null });
  const [{ id }] = (rest as unknown as { readonly items: readonly [{ readonly id: string }] }).items;
  expect((await runCli("effects", "cancel", id, "--url", server.adminUrl)).stdout).toContain(`${id}  cancelled`);
  expect((await runCli("effects", "show", more, "--url", server.adminUrl)).stdout).toMatch(/id +\S+\n +kind +call/);
});
