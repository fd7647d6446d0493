/**
 * The active currencies of ISO 4217 with their scale (digits after the decimal point). A table of our own, because `Intl` follows what
 * shops print and differs from the standard and between Node versions. Left out: withdrawn codes, and codes without a minor unit
 * (metals, XDR, XTS, XXX).
 */
const CODES_BY_SCALE: readonly (readonly [scale: number, codes: string])[] = [
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"],
  [
    2,
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE " +
      "CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT " +
      "LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN " +
      "QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS " +
      "VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
  ],
  [3, "BHD IQD JOD KWD LYD OMR TND"],
  [4, "CLF UYW"],
];

const scales: ReadonlyMap<string, number> = new Map(
  CODES_BY_SCALE.flatMap(([scale, codes]) => codes.split(" ").map((code) => [code, scale] as const)),
);

/** Digits after the decimal point of an active ISO 4217 currency: 0 to 4; null for what is none. Codes are upper case. */
export const scaleOf = (currency: string): number | null => scales.get(currency) ?? null;

/** Every currency that `scaleOf` knows, for documents and forms. */
export const currencies: readonly string[] = [...scales.keys()].sort();
