/** The admin port of a running server, for commands that look into it. */
import { resolve } from "node:path";
import { z } from "zod";
import { runFileOf } from "../data-dir.ts";
import { CliError, errnoOf } from "./cli-error.ts";
import { configOf, type Run } from "./command.ts";

/** How a command was told where the server is. */
export interface AdminOptions {
  /** Of the admin port; without it the server that runs on the data directory is asked. */
  readonly url?: string;
  readonly dataDir?: string;
}

const ANSWER_MS_MAX = 35_000;
const problemSchema = z.object({ code: z.string(), detail: z.string() });

export class AdminClient {
  readonly url: string;

  /** @throws CliError `SERVER_NOT_RUNNING` when there is nobody to ask. */
  constructor(run: Run, { url, dataDir }: AdminOptions) {
    this.url = (url ?? adminUrlOf(run, dataDir)).replace(/\/+$/, "");
  }

  /** Asks and checks the answer's form. @throws CliError with the server's code; `SERVER_UNREACHABLE`, `SERVER_ANSWER_UNKNOWN`. */
  get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    return this.#ask("GET", path, schema);
  }

  /** The same, for what changes something. */
  post<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    return this.#ask("POST", path, schema);
  }

  async #ask<Schema extends z.ZodType>(method: "GET" | "POST", path: string, schema: Schema): Promise<z.output<Schema>> {
    const { status, text } = await this.#fetch(method, path);
    const body = jsonOf(text);
    if (status !== 200) {
      const problem = problemSchema.safeParse(body);
      if (problem.success) throw new CliError(problem.data.code, `${problem.data.detail} (asked: ${this.url}${path})`);
      throw new CliError("SERVER_ANSWER_UNKNOWN", `${this.url}${path} answered with ${status}. Is this the admin URL of run.json?`);
    }
    const checked = schema.safeParse(body);
    if (checked.success) return checked.data;
    throw new CliError("SERVER_ANSWER_UNKNOWN", `${this.url}${path} answered something else than expected. Is it of the same version?`);
  }

  async #fetch(method: string, path: string): Promise<{ readonly status: number; readonly text: string }> {
    try {
      const answer = await fetch(this.url + path, { method, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
      return { status: answer.status, text: await answer.text() };
    } catch (error) {
      const cause = error instanceof Error ? (error.cause ?? error) : error;
      const why = errnoOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
      throw new CliError("SERVER_UNREACHABLE", `the admin port at ${this.url} does not answer (${why}). Is the server running there?`, {
        cause: error,
        isRetryable: true,
      });
    }
  }
}

function adminUrlOf(run: Run, dataDir: string | undefined): string {
  const dir = resolve(configOf(run, dataDir).data.dir);
  const held = runFileOf(dir);
  if (held?.adminUrl != null) return held.adminUrl;
  const why = held === null ? `no server runs on ${dir}` : `process ${held.pid} runs on ${dir} and has no admin port (yet)`;
  throw new CliError("SERVER_NOT_RUNNING", `${why}. Name the server's folder with --data-dir, or its admin port with --url.`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // What is no JSON has no field that anybody looks for.
  }
}
