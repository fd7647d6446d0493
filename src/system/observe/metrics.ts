/** The text of `/metrics`. Only this folder knows prom-client, and only the main thread loads it. */
import type { Registry } from "prom-client";
import { HttpMeter } from "./http-meter.ts";
import { METRICS, type Measure, measure, type PartMeasures } from "./measure.ts";
import { MergedMeasures } from "./merged-measures.ts";

/** What metrics need of the system: each part's figures, with a limit of time of its own. */
export interface Measured {
  measures(): Promise<readonly PartMeasures[]>;
}

/**
 * Gathers what all threads counted when somebody asks, and writes it in Prometheus's text format, with what Node says about the process. Nothing is
 * gathered meanwhile. One for each HTTP server.
 */
export class Metrics {
  /** As prom-client has it, which is loaded when somebody asks: a tenth of what a start would load on the main thread. */
  readonly contentType = "text/plain; version=0.0.4; charset=utf-8";
  readonly http = new HttpMeter();
  readonly #system: Measured;
  readonly #merged = new MergedMeasures();
  readonly #outside: Array<() => readonly Measure[]> = [];
  #process: Registry | null = null;
  #running: Promise<string> | null = null;

  constructor(system: Measured) {
    this.#system = system;
  }

  /** Shows these too from now on: of a part of the main thread that is not always there. */
  alsoMeasure(look: () => readonly Measure[]): void {
    this.#outside.push(look);
  }

  /** Who asks while an answer is being made gets that one: many askers cost no more than one. Parts that do not answer are named in it. */
  text(): Promise<string> {
    this.#running ??= this.#text().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #text(): Promise<string> {
    const parts = await this.#system.measures();
    const answered = parts.map(({ part, taken }) => measure("metrics_thread_answered", taken === null ? 0 : 1, { thread: part }));
    const own = [...this.http.measures(), ...this.#outside.flatMap((look) => look()), ...answered];
    const merged = this.#merged.merge([...parts, { part: "http", taken: { life: 0, measures: own } }]);
    const { AggregatorRegistry } = await import("prom-client");
    return await AggregatorRegistry.aggregate([seriesOf(merged), await this.#ofProcess()]).metrics();
  }

  /** What Node counts about the process begins to be counted at the first look. */
  async #ofProcess(): Promise<object[]> {
    if (this.#process === null) {
      const { collectDefaultMetrics, Registry } = await import("prom-client");
      this.#process = new Registry();
      collectDefaultMetrics({ register: this.#process });
    }
    return await this.#process.getMetricsAsJSON();
  }
}

/** As prom-client has metrics in JSON: one object a name, also of those that have no series yet, so that whoever sets up a board finds all of them. */
function seriesOf(measures: readonly Measure[]): object[] {
  const byName = Map.groupBy(measures, ({ name }) => name);
  return (Object.keys(METRICS) as Measure["name"][]).map((name) => ({
    name,
    ...METRICS[name],
    aggregator: "sum",
    values: (byName.get(name) ?? []).flatMap((each) => valuesOf(each)),
  }));
}

function valuesOf({ name, labels, value }: Measure): object[] {
  if (typeof value === "number") return [{ labels, value }];
  let count = 0;
  const buckets = value.counts.map((inside, i) => {
    count += inside;
    return { labels: { le: value.bounds[i] ?? "+Inf", ...labels }, value: count, metricName: `${name}_bucket` };
  });
  return [...buckets, { labels, value: value.sum, metricName: `${name}_sum` }, { labels, value: count, metricName: `${name}_count` }];
}
