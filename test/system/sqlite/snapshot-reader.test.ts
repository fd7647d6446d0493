/** A disk that fails under a reader fails the reads of that moment and no later ones. */
import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Snapshot } from "../../../src/runtime/index.ts";
import { SqliteSnapshotReader } from "../../../src/system/sqlite/snapshot-reader.ts";
import { SqliteSnapshots } from "../../../src/system/sqlite/snapshot-store.ts";

const snapshotOf = (entity: string): Snapshot => ({ entity, shard: 1, seq: 1, version: 1, definition: 1, body: "x".repeat(3_000) });

it("reads that belong together go on after one of them met an error that ended their transaction", () => {
  const dir = mkdtempSync(join(tmpdir(), "troupe-reader-"));
  const file = { path: join(dir, "state.db"), busyTimeoutMs: 100, cacheKiB: 64 };
  const store = new SqliteSnapshots({ ...file, meta: { storeId: "s", shardCount: 4 } });
  store.write(Array.from({ length: 200 }, (_, n) => snapshotOf(`a/${n}`)));
  const reader = new SqliteSnapshotReader(file);
  const log = `${file.path}-wal`;
  const { size } = statSync(log);
  copyFileSync(log, `${log}.whole`);
  truncateSync(log, 100_000);
  const errors: unknown[] = [];
  reader.atOnce(() => {
    for (let n = 0; n < 200; n++) {
      try {
        reader.load(`a/${n}`);
      } catch (cause) {
        errors.push(cause);
      }
    }
  });
  expect(errors.length).toBeGreaterThan(0);
  expect(String(errors[0])).toMatch(/disk I\/O error|malformed/);
  copyFileSync(`${log}.whole`, log);
  expect(statSync(log).size).toBe(size);
  for (let again = 0; again < 2; again++) {
    reader.atOnce(() => {
      for (let n = 0; n < 200; n++) expect(reader.load(`a/${n}`)).toEqual(snapshotOf(`a/${n}`));
    });
  }
  reader.close();
  store.close();
  rmSync(dir, { recursive: true });
});
