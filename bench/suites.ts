import { conversation } from "./conversation/suite.ts";
import type { Suite } from "./harness/suite.ts";
import { http } from "./http/suite.ts";
import { journal } from "./journal/suite.ts";
import { ledger } from "./ledger/suite.ts";
import { mailbox } from "./mailbox/suite.ts";
import { nats } from "./nats/suite.ts";
import { threads } from "./threads/suite.ts";

/** Every suite there is, in the order in which they run when none is named. */
export const suites: readonly Suite[] = [mailbox, threads, journal, ledger, http, conversation, nats];
