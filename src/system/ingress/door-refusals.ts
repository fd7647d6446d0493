/** What every door refuses before it looks further, in the same words. */
import type { Refusal } from "../../runtime/index.ts";
import { refuse } from "./ledger-door.ts";

export const NO_BODY: Refusal = refuse(
  "validation_failed",
  "the request has no body; send one JSON object, over HTTP with content type application/json",
);

export const SHUTTING_DOWN: Refusal = refuse(
  "SHUTTING_DOWN",
  "the server stops and takes no new work; repeat with the same key when it is back, or elsewhere",
);

/** `path` is the command's over HTTP: many movements can be sent as lines instead. */
export const tooLarge = (bytesMax: number, path: string): Refusal =>
  refuse(
    "payload_too_large",
    `the body is larger than ${bytesMax} bytes; send less${isMovement(path) ? ", or many movements to /v1/transfers/bulk" : ""}`,
  );

/** What is sent there can be sent as a bulk stream. */
export const isMovement = (path: string): boolean => /^\/v1\/(?:deposits|withdrawals|transfers)(?:[/?]|$)/.test(path);
