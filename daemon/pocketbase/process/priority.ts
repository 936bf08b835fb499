/** A process with this difference gets a third of the processor time of another one when both want all of it. */
const USER_DIFFERENCE = 5;
const MAX_NICE = 19;

/**
 * The nice value of an instance. While the processors are busy, the daemon and the global PocketBase go before user
 * instances. The value can only be raised without a privilege.
 *
 * @param own the value of the daemon
 */
export function niceOf(kind: 'global' | 'user', own: number): number {
  return kind === 'global' ? own : Math.min(MAX_NICE, own + USER_DIFFERENCE);
}
