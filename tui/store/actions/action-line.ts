import { longDuration } from '../text/format.ts';
import { ACTIONS, type Action, actionTarget, type Verb } from './actions.ts';

/**
 * One action of this console, from the key to its end: sent → running → done or why not. `running` means that the
 * fleet shows its effect; it is done when the daemon says so.
 */
export interface ActionLine extends Action {
  id: number;
  /** Who asked for it. */
  by: string;
  state: 'sent' | 'running' | 'done' | 'failed';
  at: number;
  ended_at: number | null;
  done: number;
  failures: readonly { name: string; why: string }[];
}

/** Instances worked on at once, by this console. */
export const ACTIONS_AT_ONCE = 4;

/** Milliseconds that an action on `count` instances will take, from those that have ended. */
export function estimate(verb: Verb, count: number, past: readonly ActionLine[]): number {
  const alike = past.filter((line) => line.verb === verb && line.state === 'done' && line.ended_at !== null);
  const rounds = alike.reduce((sum, line) => sum + Math.ceil(line.names.length / ACTIONS_AT_ONCE), 0);
  const spent = alike.reduce((sum, line) => sum + ((line.ended_at ?? line.at) - line.at), 0);
  const perRound = rounds === 0 ? ACTIONS[verb].usualMs : spent / rounds;
  return Math.ceil(count / ACTIONS_AT_ONCE) * perRound;
}

/** What a confirmation says: `restart 37 instances, about 40 s, four at a time`. */
export function describeAction(action: Action, past: readonly ActionLine[]): string {
  const { verb, names } = action;
  const sentence = `${ACTIONS[verb].word} ${actionTarget(action)}`;
  if (names.length === 1) return sentence;
  const seconds = estimate(verb, names.length, past) / 1000;
  // Rounded to what an estimate is worth.
  const unit = seconds < 10 ? 1 : seconds < 120 ? 5 : 60;
  const rounded = Math.ceil(seconds / unit) * unit;
  const pace = names.length > ACTIONS_AT_ONCE ? ', four at a time' : '';
  return `${sentence}, about ${longDuration(rounded * 1000)}${pace}`;
}

/** An action line in words: `restart 37 instances: running, 12 done, 1 failed: 2024-…: exit 1`. */
export function actionText(line: ActionLine): string {
  const object = actionTarget(line);
  const { word, past } = ACTIONS[line.verb];
  const [failure] = line.failures;
  const why =
    failure === undefined ? '' : line.names.length === 1 ? failure.why : `${failure.name}: ${failure.why}`;
  switch (line.state) {
    case 'sent':
      return `${word} ${object}: sent`;
    case 'running': {
      if (line.names.length === 1) return `${word} ${object}: running`;
      const failed = line.failures.length === 0 ? '' : `, ${line.failures.length} failed: ${why}`;
      return `${word} ${object}: running, ${line.done} done${failed}`;
    }
    case 'done':
      return `${past} ${object} in ${longDuration(Math.max(1000, (line.ended_at ?? line.at) - line.at))}`;
    case 'failed': {
      if (line.names.length === 1) return `${word} ${object} did not work: ${why}`;
      return `${word} ${object}: ${line.done} done, ${line.failures.length} failed: ${why}`;
    }
  }
}
