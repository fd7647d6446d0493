/**
 * The demo's data: two weeks of a small shop, made from a seed, so that everybody sees the same. `tools/demo-data.ts` writes it to data/shop.csv.
 * Some steps are refused on purpose: a purchase that the customer cannot pay, and one at a till that does not exist.
 */
const CURRENCY = "EUR";
const CUSTOMERS = ["ada", "bela", "chidi", "dana", "emil", "fatima", "goran", "hana", "ivo", "june"];
const SUPPLIERS = ["roastery", "bakery"];
const DAYS = 14;

export const SHOP_HEADER = ["key", "kind", "from", "to", "amount", "currency"] as const;
/** A movement of the demo; `open` opens the account `to`, of a customer or (`from` is "system") of the shop itself. */
export type ShopStep = Readonly<Record<(typeof SHOP_HEADER)[number], string>>;

/** The steps in order. The same seed makes the same steps on every machine. */
export function shopSteps(seed: number): readonly ShopStep[] {
  const random = mulberry32(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = (names: readonly string[]): string => names[below(names.length)] ?? "";
  const steps: ShopStep[] = [];
  const add = (kind: string, from: string, to: string, cents: number): void => {
    const key = `shop-${String(steps.length + 1).padStart(4, "0")}`;
    const amount = cents === 0 ? "" : `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
    steps.push({ key, kind, from, to, amount, currency: CURRENCY });
  };
  add("open", "system", "till", 0);
  for (const name of [...SUPPLIERS, ...CUSTOMERS]) add("open", "customer", name, 0);
  for (const name of CUSTOMERS) add("deposit", "", name, 12_000 + below(9000));
  for (let day = 1; day <= DAYS; day++) {
    for (let sale = 6 + below(6); sale > 0; sale--) add("transfer", pick(CUSTOMERS), "till", 120 + below(1380));
    if (day % 3 === 0) add("transfer", "till", pick(CUSTOMERS), 150 + below(300)); // A refund.
    if (day % 2 === 0) add("transfer", "till", pick(SUPPLIERS), 1000 + below(1500));
    if (day % 5 === 0) add("transfer", pick(CUSTOMERS), "till", 900_000); // Nobody has that much.
    if (day === 7) add("transfer", pick(CUSTOMERS), "till-2", 500); // There is no second till.
    if (day % 7 === 0) add("withdrawal", "till", "", 1000 + below(1000));
  }
  return steps;
}

/** The file as it lies in data/. */
export function shopCsv(steps: readonly ShopStep[]): string {
  const lines = steps.map((step) => SHOP_HEADER.map((name) => step[name]).join(","));
  return `${[SHOP_HEADER.join(","), ...lines].join("\n")}\n`;
}

export const SHOP_SEED = 2026;

/** A small generator of numbers from 0 up to 1 by Tommy Ettinger; 32 bits of state are plenty here. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
