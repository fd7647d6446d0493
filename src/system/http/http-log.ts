/** What the ingress needs of a log; pino's logger is one. */
export interface HttpLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
