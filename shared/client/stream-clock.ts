/** Time as the stream sees it, so that tests need not wait. */
export interface StreamClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back once after `ms`; the answer cancels it and may be called at any time. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: StreamClock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
