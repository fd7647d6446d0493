/**
 * URL of a module beside the caller's, to start a thread from: `.ts` when run from source, `.js` when built. The compiler rewrites
 * import statements and leaves such URLs alone, so this is the one place that knows.
 */
export function moduleUrl(name: string, base: string): URL {
  return new URL(base.endsWith(".ts") ? `${name}.ts` : `${name}.js`, base);
}
