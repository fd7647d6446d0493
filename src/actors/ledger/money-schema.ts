/** Schemas of money in commands, events and answers. */
import { z } from "zod";
import { scaleOf } from "./currency.ts";
import { MINOR } from "./money.ts";

/** An amount above 0, in minor units, as commands and events carry it. */
export const amountSchema = z.string().regex(/^[1-9][0-9]{0,17}$/);
/** A limit of 0 or more, in minor units. */
export const limitSchema = z.string().regex(/^(0|[1-9][0-9]{0,17})$/);
/** A balance, in minor units, of either sign. */
export const balanceSchema = z.string().regex(MINOR);
/** An active ISO 4217 code. */
export const currencySchema = z.string().refine((code) => scaleOf(code) !== null, "is no active ISO 4217 code");
