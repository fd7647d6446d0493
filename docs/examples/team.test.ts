import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf, EntityTestKit, runSimulation, type Scenario, type SimulationStage } from "../../src/runtime/testing/index.ts";
import { member, registry, team } from "./team.ts";

test("the one who brings the team to 100 is cheered, also over a crash", async () => {
  const kit = new EntityTestKit({ definitions: registry, threadCount: 2 });
  await kit.entity(member, "ann").ask.score({ team: "red", points: 60 });
  await kit.entity(member, "bob").ask.score({ team: "red", points: 50 });
  await kit.crash(); // Whatever was told and not yet handled goes on after it.
  await kit.settle();
  assert.deepEqual(
    kit.events(team, "red"),
    [60, 50].map((points) => ({ kind: "counted", points })),
  );
  assert.equal(kit.state(member, "ann").cheers + kit.state(member, "bob").cheers, 1);
  assert.deepEqual(kit.violations, []);
});

/** Clients score for three members of one team. The team never has a point that nobody scored, and in the end it has all of them. */
function scores({ random, journal, tell }: SimulationStage): Scenario {
  let count = 0;
  const scored = () => ["ann", "bob", "eve"].reduce((sum, id) => sum + journal.state(member, id).points, 0);
  const counted = () => journal.state(team, "red").total;
  return {
    next: () => {
      const body = { team: "red", points: random.between(1, 30) };
      return commandOf(member, { to: random.pick(["ann", "bob", "eve"]), command: "score", body, id: `score-${++count}` });
    },
    look: () => ({ command: "get", body: {} }),
    committed: () => counted() <= scored() || tell(`${counted()} points are counted and ${scored()} scored`),
    ended: () => counted() === scored() || tell(`${counted()} of ${scored()} points were counted`),
  };
}

for (let seed = 1; seed <= 20; seed++) {
  test(`seed ${seed}: no point is lost or counted twice, whatever crashes`, () => {
    const { violations, faults } = runSimulation({ seed, operationsCount: 100, definitions: registry, scenario: scores });
    assert.deepEqual(violations, []);
    assert.ok(faults >= 3);
  });
}
