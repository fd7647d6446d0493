export function findStrace(): string | undefined;
export function obtainStrace(): string;
export function straceCommand(
  path: string,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv };
export function whyNoTracing(): string | null;
