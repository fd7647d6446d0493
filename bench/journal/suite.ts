import type { CaseSpec, Suite } from "../harness/suite.ts";

const groups = new URL("./groups.ts", import.meta.url);
const durable = (run: string) => ({ module: groups, run, isDurable: true });

const besideEach = (variant: string, name: string): CaseSpec => ({
  name: `journal.${name}`,
  variant,
  figure: "perSecond",
  unit: "entries/s",
  ratioTo: { variant: "each", figure: "perSecond" },
});

/** What a group saves: entries a second by the size of a record, beside a transaction for each row. */
export const journal: Suite = {
  name: "journal",
  variants: { each: durable("each"), by1: durable("by1"), by10: durable("by10"), by100: durable("by100"), by1000: durable("by1000") },
  cases: [
    { name: "journal.sqlite-each", variant: "each", figure: "perSecond", unit: "entries/s" },
    besideEach("by1", "records-of-1"),
    besideEach("by10", "records-of-10"),
    besideEach("by100", "records-of-100"),
    besideEach("by1000", "records-of-1000"),
  ],
};
