import { longDuration } from '../text/format.ts';
import { ACTIONS, type Action, actionTarget, type Verb } from './actions.ts';

/**
 * The progress of an action: sent → running → done or failed. It is `running` once the fleet shows its effect, and `done`
 * after the daemon has confirmed it.
 */
export interface ActionLine extends Action {
  id: number;
  /** The user who started it. */
  by: string;
  state: 'sent' | 'running' | 'done' | 'failed';
  at: number;
  ended_at: number | null;
  done: number;
  failures: readonly { name: string; why: string }[];
}

/** Maximum number of targets that this console works on at the same time. */
export const MAX_PARALLEL = 4;

/** Estimates the milliseconds of an action on `count` targets from earlier actions. */
function estimateDuration(verb: Verb, count: number, past: readonly ActionLine[]): number {
  const similar = past.filter(
    (line) => line.verb === verb && line.state === 'done' && line.ended_at !== null,
  );
  const rounds = similar.reduce((sum, line) => sum + Math.ceil(line.names.length / MAX_PARALLEL), 0);
  const spent = similar.reduce((sum, line) => sum + ((line.ended_at ?? line.at) - line.at), 0);
  const perRound = rounds === 0 ? ACTIONS[verb].usualMs : spent / rounds;
  return Math.ceil(count / MAX_PARALLEL) * perRound;
}

/** The text of a question: `restart 37 instances, about 40 s, four at a time`. */
export function describeAction(action: Action, past: readonly ActionLine[]): string {
  const { verb, names } = action;
  const sentence = `${ACTIONS[verb].word} ${actionTarget(action)}`;
  if (names.length === 1) return sentence;
  const seconds = estimateDuration(verb, names.length, past) / 1000;
  // Rounded, because it is only an estimate.
  const unit = seconds < 10 ? 1 : seconds < 120 ? 5 : 60;
  const rounded = Math.ceil(seconds / unit) * unit;
  const pace = names.length > MAX_PARALLEL ? ', four at a time' : '';
  return `${sentence}, about ${longDuration(rounded * 1000)}${pace}`;
}

/** The progress in words: `restart 37 instances: running, 12 done, 1 failed: 2024-…: exit 1`. */
export function actionText(line: ActionLine): string {
  const object = actionTarget(line);
  const { word, past } = ACTIONS[line.verb];
  const [failure] = line.failures;
  // The line begins with the name of a single target, and must leave room for the reason.
  const why =
    failure === undefined
      ? ''
      : line.names.length === 1
        ? failure.why.replaceAll(failure.name, 'it')
        : `${failure.name}: ${failure.why}`;
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
      if (line.names.length === 1) return `${word} ${object} failed: ${why}`;
      return `${word} ${object}: ${line.done} done, ${line.failures.length} failed: ${why}`;
    }
  }
}
