/** What the ingress needs of a log; pino's logger is one. */
export interface HttpLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Lines of requests. Left out, or with a level that `isLevelEnabled` denies, none is made. */
  debug?(fields: object, message: string): void;
  isLevelEnabled?(level: "debug"): boolean;
}
