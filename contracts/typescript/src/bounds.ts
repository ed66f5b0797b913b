/** The bounds of a call: its time, and the caller's AbortSignal. */

/** Thrown by `Bounds.wait` where the time of the wait is over. */
export class TimeOver extends Error {
  override name = "TimeOver";
}

/** The time that a call has left. Every wait of the call goes through `wait`, so that none outlasts the call. */
export class Bounds {
  readonly #until: number;
  readonly #signal: AbortSignal | undefined;

  /** Throws the reason of the signal where it is aborted already. */
  constructor(milliseconds: number, signal?: AbortSignal) {
    signal?.throwIfAborted();
    this.#until = performance.now() + milliseconds;
    this.#signal = signal;
  }

  /** Milliseconds until the time is over; not below 0. */
  left(): number {
    return Math.max(this.#until - performance.now(), 0);
  }

  /**
   * The result of the work, where it comes within `milliseconds` and within the call's own time.
   *
   * Throws TimeOver, and the reason of the signal where the caller aborts. The work itself goes on; its late error is
   * not reported as unhandled.
   */
  async wait<T>(work: Promise<T>, milliseconds = Infinity): Promise<T> {
    const signal = this.#signal;
    let end = (): void => {};
    const bound = new Promise<never>((_, reject) => {
      const abort = (): void => reject(signal?.reason);
      const timer = setTimeout(() => reject(new TimeOver()), Math.min(this.left(), milliseconds));
      signal?.addEventListener("abort", abort);
      end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      if (signal?.aborted) abort();
    });
    try {
      return await Promise.race([work, bound]);
    } finally {
      end();
    }
  }

  /** Wait. Throws TimeOver where the call's time ends before, and the reason of the signal. */
  async sleep(milliseconds: number): Promise<void> {
    const never = new Promise<never>(() => {});
    const isLast = this.left() <= milliseconds;
    await this.wait(never, milliseconds).catch((error: unknown) => {
      if (isLast || !(error instanceof TimeOver)) throw error;
    });
  }
}
