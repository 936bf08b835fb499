const LOOK_EVERY_MS = 20;

/**
 * Waits until a condition holds, looking often: the answer to a test's wish to sleep.
 *
 * @returns the first truthy answer
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 20_000, what }: { timeoutMs?: number; what: string | (() => string) },
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs / 1000} s for ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
