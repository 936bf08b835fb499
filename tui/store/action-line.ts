import { longDuration, plural } from './format.ts';

export type Verb = 'start' | 'stop' | 'restart';

/**
 * One action of this console, from the key to its end: sent → running → done or why not. `running` means that the
 * fleet shows its effect; it is done when the daemon says so.
 */
export interface ActionLine {
  id: number;
  verb: Verb;
  names: readonly string[];
  state: 'sent' | 'running' | 'done' | 'failed';
  at: number;
  ended_at: number | null;
  done: number;
  failures: readonly { name: string; why: string }[];
}

/** Instances worked on at once, by this console. */
export const ACTIONS_AT_ONCE = 4;
/** Milliseconds until one instance has usually ended an action, before this console has seen any. */
const USUAL_MS: Readonly<Record<Verb, number>> = { start: 1_500, stop: 1_500, restart: 3_000 };

/** Milliseconds that an action on `count` instances will take, from those that have ended. */
export function estimate(verb: Verb, count: number, past: readonly ActionLine[]): number {
  const alike = past.filter((line) => line.verb === verb && line.state === 'done' && line.ended_at !== null);
  const rounds = alike.reduce((sum, line) => sum + Math.ceil(line.names.length / ACTIONS_AT_ONCE), 0);
  const spent = alike.reduce((sum, line) => sum + ((line.ended_at ?? line.at) - line.at), 0);
  const perRound = rounds === 0 ? USUAL_MS[verb] : spent / rounds;
  return Math.ceil(count / ACTIONS_AT_ONCE) * perRound;
}

/** What a confirmation says: `restart 37 instances, about 40 s, four at a time`. */
export function describeAction(verb: Verb, names: readonly string[], past: readonly ActionLine[]): string {
  const [only] = names;
  if (names.length === 1 && only !== undefined) return `${verb} ${only}`;
  const seconds = estimate(verb, names.length, past) / 1000;
  // Rounded to what an estimate is worth.
  const step = seconds < 10 ? 1 : seconds < 120 ? 5 : 60;
  const rounded = Math.ceil(seconds / step) * step;
  const pace = names.length > ACTIONS_AT_ONCE ? ', four at a time' : '';
  return `${verb} ${plural(names.length, 'instance')}, about ${longDuration(rounded * 1000)}${pace}`;
}

const PAST: Readonly<Record<Verb, string>> = { start: 'started', stop: 'stopped', restart: 'restarted' };

/** An action line in words: `restart 37 instances: running, 12 done, 1 failed: 2024-…: exit 1`. */
export function sayAction(line: ActionLine): string {
  const [only] = line.names;
  const target = line.names.length === 1 && only !== undefined ? only : plural(line.names.length, 'instance');
  const [failure] = line.failures;
  const why =
    failure === undefined ? '' : line.names.length === 1 ? failure.why : `${failure.name}: ${failure.why}`;
  switch (line.state) {
    case 'sent':
      return `${line.verb} ${target}: sent`;
    case 'running': {
      if (line.names.length === 1) return `${line.verb} ${target}: running`;
      const failed = line.failures.length === 0 ? '' : `, ${line.failures.length} failed: ${why}`;
      return `${line.verb} ${target}: running, ${line.done} done${failed}`;
    }
    case 'done':
      return `${PAST[line.verb]} ${target} in ${longDuration(Math.max(1000, (line.ended_at ?? line.at) - line.at))}`;
    case 'failed': {
      if (line.names.length === 1) return `${line.verb} ${target} did not work: ${why}`;
      return `${line.verb} ${target}: ${line.done} done, ${line.failures.length} failed: ${why}`;
    }
  }
}
