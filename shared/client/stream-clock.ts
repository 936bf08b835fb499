/** The clock of the stream. Tests pass a manual one. */
export interface StreamClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back once after `ms`. The returned function cancels the timer; it may be called at any time. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: StreamClock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
