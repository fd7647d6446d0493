import { Histogram, SECONDS_BOUNDS } from "../../runtime/index.ts";
import { type Measure, measure } from "./measure.ts";

/** Times of HTTP requests by the pattern of their route and their status: as many series as there are of both, whatever clients send. */
export class HttpMeter {
  readonly #times = new Map<string, Map<number, Histogram>>();
  /** Requests that have no answer yet. */
  activeCount: () => number = () => 0;
  streams: () => { readonly count: number; readonly blockedCount: number; readonly cutCount: number } = () => NO_STREAMS;

  /** `route` is a pattern of the server's own list, never a path as it came. */
  answered(route: string, code: number, seconds: number): void {
    let byCode = this.#times.get(route);
    if (byCode === undefined) {
      byCode = new Map();
      this.#times.set(route, byCode);
    }
    let times = byCode.get(code);
    if (times === undefined) {
      times = new Histogram(SECONDS_BOUNDS);
      byCode.set(code, times);
    }
    times.observe(seconds);
  }

  measures(): readonly Measure[] {
    const { count, blockedCount, cutCount } = this.streams();
    const measures = [
      measure("http_requests_active", this.activeCount()),
      measure("http_streams_open", count),
      measure("http_streams_blocked", blockedCount),
      measure("http_streams_cut_total", cutCount),
    ];
    for (const [route, byCode] of this.#times) {
      for (const [code, times] of byCode) measures.push(measure("http_request_seconds", times.look(), { route, code: String(code) }));
    }
    return measures;
  }
}

const NO_STREAMS = { count: 0, blockedCount: 0, cutCount: 0 };
