/** Commands that plain clients of NATS send, each made of its number alone, so that who sends and who judges know the same. Nothing of the service is used. */
export type Way = "request" | "stream";
/** How a command must end. */
export type Wish = "done" | "unknown-account" | "too-little" | "bad-amount";

export interface NatsOrder {
  readonly key: string;
  readonly way: Way;
  readonly command: "deposit" | "create";
  readonly wish: Wish;
  /** JSON, as HTTP takes it too. */
  readonly body: string;
  /** Sent a second time with the same key at the same moment. */
  readonly isTwice: boolean;
}

/** The status of an answer to it, over HTTP and NATS. */
export const STATUS_OF_WISH: Readonly<Record<Wish, number>> = { done: 201, "unknown-account": 404, "too-little": 422, "bad-amount": 400 };
export const CODE_OF_WISH: Readonly<Record<Wish, string | null>> = {
  done: null,
  "unknown-account": "account_not_found",
  "too-little": "insufficient_funds",
  "bad-amount": "amount_invalid",
};

export const ACCOUNTS = 100;
const CURRENCY = "CZK";
/** Accounts that never get anything and may not be overdrawn. */
const POOR = 10;
const BAD_AMOUNTS = ["0", "-1.00", "1.005", "1e3", "1,50", "9".repeat(60)] as const;

/** Some are not plain ASCII: events name them in a header. */
const accountId = (number: number): string => (number % 5 === 0 ? `účet ${number}` : `account-${number}`);
const poorId = (number: number): string => `poor-${number % POOR}`;

/** What opens the accounts: bodies of `troupe.v1.account.open`. */
export const ACCOUNTS_TO_OPEN: readonly string[] = [
  ...Array.from({ length: ACCOUNTS }, (_, number) => ({ id: accountId(number), currency: CURRENCY, overdraftLimit: null })),
  ...Array.from({ length: POOR }, (_, number) => ({ id: poorId(number), currency: CURRENCY, overdraftLimit: "0" })),
].map((fields) => JSON.stringify(fields));

/** The command of this number. Of 20 one has an account that nobody opened, one too little money, one a bad amount; of 10 one is sent twice. */
export function natsOrder(way: Way, number: number): NatsOrder {
  const kind = number % 20;
  const wish: Wish = kind === 3 ? "unknown-account" : kind === 7 ? "too-little" : kind === 11 ? "bad-amount" : "done";
  const block = Math.floor(number / 20);
  const isDeposit = wish !== "too-little" && (number + block) % 3 === 0;
  const to = (number * 7919 + block) % ACCOUNTS;
  const from = (to + 1 + ((number * 31) % (ACCOUNTS - 1))) % ACCOUNTS;
  const amount =
    wish === "bad-amount" ? BAD_AMOUNTS[block % BAD_AMOUNTS.length] : `${1 + (number % 50)}.${String(number % 100).padStart(2, "0")}`;
  const target = wish === "unknown-account" ? `nobody-${number % 7}` : accountId(to);
  const source = wish === "too-little" ? poorId(number) : accountId(from);
  const fields = isDeposit ? { accountId: target, amount, currency: CURRENCY } : { from: source, to: target, amount, currency: CURRENCY };
  return {
    key: `${way}-${number}`,
    way,
    command: isDeposit ? "deposit" : "create",
    wish,
    body: JSON.stringify(fields),
    isTwice: block % 10 === number % 10,
  };
}

/** Every command of both ways, the requests first. */
export function* allOrders(commands: number): Generator<NatsOrder> {
  for (const way of ["request", "stream"] as const) for (let number = 0; number < commands; number++) yield natsOrder(way, number);
}
