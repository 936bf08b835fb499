/** The longer it takes, the more rarely: a look may itself take time from what is waited for. */
const LOOK_EVERY_MS = { least: 20, most: 200 };
const SHARE_OF_WAIT = 0.1;

/**
 * Waits until a condition holds, looking often: the answer to a test's wish to sleep. How long at most says nothing of how
 * long it may take, which is many times longer on a host that does much else.
 *
 * @returns the first truthy answer
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  {
    timeoutMs = 60_000,
    what,
  }: { timeoutMs?: number | undefined; what: string | (() => string | Promise<string>) },
): Promise<NonNullable<T>> {
  const began = performance.now();
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    const waitedMs = performance.now() - began;
    if (waitedMs > timeoutMs) {
      throw new Error(`waited ${timeoutMs / 1000} s for ${typeof what === 'string' ? what : await what()}`);
    }
    const nextMs = Math.min(LOOK_EVERY_MS.most, Math.max(LOOK_EVERY_MS.least, waitedMs * SHARE_OF_WAIT));
    await new Promise((resolve) => setTimeout(resolve, nextMs));
  }
}
