import type { Json } from "../../runtime/index.ts";

/** One answer of the admin port. `path` may have parameters (`/effects/:id/replay`). A `Fault` that `answer` throws is told with its code. */
export interface AdminRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly answer: (asked: {
    readonly params: Readonly<Record<string, string>>;
    readonly query: Readonly<Record<string, string>>;
  }) => Promise<Json>;
}
