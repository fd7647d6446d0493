/** What docs/runtime.md shows is what is there and what happens (issue 3 H): each example is run as a process of its own. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { member, registry, team } from "../../docs/examples/team.ts";
import { runSimulation, type SimulatedBug } from "../../src/runtime/testing/index.ts";

const run = promisify(execFile);
const guide = readFileSync("docs/runtime.md", "utf8");
const sources = [...guide.matchAll(/^`(docs\/examples\/\S+)`:\n\n```ts\n(.*?)^```$/gms)].map(([, file = "", text = ""]) => ({
  file,
  text,
}));
const runs = [...guide.matchAll(/^`node_modules\/\.bin\/node (.*?)` prints:\n\n```\n(.*?)^```$/gms)].map(([, args = "", output = ""]) => ({
  args,
  output,
}));
/** The README shows the first one, docs/nats.md the other. */
const ELSEWHERE = ["docs/examples/embed.ts", "docs/examples/nats-client.mjs"];

describe("docs/runtime.md", () => {
  it("shows every example, as it is", () => {
    const files = readdirSync("docs/examples").map((name) => `docs/examples/${name}`);
    expect(sources.map(({ file }) => file).sort()).toEqual(files.filter((file) => !ELSEWHERE.includes(file)).sort());
    for (const { file, text } of sources) expect(text, file).toBe(readFileSync(file, "utf8"));
    expect(runs).toHaveLength(7);
  });

  it.each(runs)("$args prints what the guide says", async ({ args, output }) => {
    const { stdout } = await run(process.execPath, args.split(" "), { timeout: 50_000 });
    expect(stdout.trimEnd()).toBe(output.trimEnd());
  });

  it("its invariant notices a rule that is broken, as the guide says", () => {
    const caught = (bug: SimulatedBug | null): number | undefined =>
      Array.from({ length: 100 }, (_, i) => i + 1).find((seed) => broken(seed, bug).length > 0);
    expect(caught(null)).toBeUndefined();
    expect(caught("dedup-not-rebuilt")).toBeDefined();
    expect(caught("reply-before-commit")).toBeDefined();
  });
});

function broken(seed: number, bug: SimulatedBug | null): readonly string[] {
  return runSimulation({
    seed,
    operationsCount: 60,
    definitions: registry,
    bug,
    scenario: ({ random, journal, tell }) => {
      let count = 0;
      return {
        next: () => ({ to: "member/ann", command: "score", body: { team: "red", points: random.between(1, 30) }, id: `score-${++count}` }),
        ended: () => {
          const [counted, scored] = [journal.state(team, "red").total, journal.state(member, "ann").points];
          if (counted !== scored) tell(`${counted} of ${scored} points were counted`);
        },
      };
    },
  }).violations;
}
