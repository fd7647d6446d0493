/** Why there is no connection, in one line for people. Of TLS the words of the libraries say little and take several lines; what they say of the rest is told as it is. */
export function connectionTroubleOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const [, alert] = /SSL routines:.*\balert ([a-z ]+)/.exec(text) ?? [];
  if (alert !== undefined)
    return `the server refuses our side of TLS ("${alert}"): it wants a certificate that it trusts, see nats.tlsCertFile and nats.tlsKeyFile`;
  const [words = ""] = text.split(/[;\n]/);
  if (/unable to (verify|get) .*certificate|self-signed certificate/.test(text))
    return `the server's certificate is signed by nobody we trust ("${words}"): see nats.tlsCaFile`;
  return text;
}
