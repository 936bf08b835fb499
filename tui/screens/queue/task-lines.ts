import type { Instance } from '../../../shared/api/instances.ts';
import type { AttemptError, Task } from '../../../shared/api/queue.ts';
import { keyFor } from '../../keys/places.ts';
import { taskReason } from '../../store/queue/task-text.ts';
import { clockTime, latency, longDuration, plural, since } from '../../store/text/format.ts';
import { phaseText, reasonLine } from '../../store/text/reason.ts';
import { sanitise } from '../../store/text/sanitise.ts';
import { phaseLook, taskLook } from '../../theme.ts';
import { paintLine, type Span } from '../../widgets/line.ts';
import { fit, jsonLines, wrapWords } from '../../widgets/text.ts';
import type { View } from '../console.ts';

const LABEL = 12;

/** All fields of a task, its failed attempts, its payload and its result. */
export function taskLines(view: View, task: Task, owner: Instance | null): string[] {
  const { theme, size, fleet } = view;
  const line = (label: string, ...spans: Span[]) =>
    paintLine(theme, [['title', ` ${fit(label, LABEL)}`], ...spans], size.columns);
  const plain = (label: string, text: string) => line(label, ['plain', text]);
  const when = (label: string, at: string | null) =>
    at === null ? [] : [plain(label, `${clockTime(at)}, ${longDuration(since(at, fleet.now))} ago`)];
  const { glyph, token } = taskLook(task.status);
  return [
    line('Status', [token, `${glyph} ${task.status}`], ['plain', `  ${taskReason(task, fleet.now)}`]),
    ...(task.warning === undefined
      ? []
      : wrapWords(sanitise(task.warning), size.columns - LABEL - 2).map((text, index) =>
          line(index === 0 ? 'Warning' : '', ['bad', text]),
        )),
    plain('Type', task.type),
    line('For', ...ownerSpans(task, owner, fleet.now)),
    plain(
      'Attempts',
      `${task.attempts} of ${task.max_attempts}, each at most ${longDuration(task.timeout_s * 1000)}`,
    ),
    ...(task.worker_id === null ? [] : [plain('Worker', task.worker_id)]),
    ...when('Created', task.created),
    ...when('Claimed', task.claimed_at),
    ...when('Finished', task.finished_at),
    plain('Priority', String(task.priority)),
    ...(task.unique_key === null ? [] : [plain('Key', task.unique_key)]),
    '',
    ...attemptLines(view, task.errors ?? []),
    theme.paint('title', ` Payload${task.secret ? '  (secrets are hidden)' : ''}`),
    ...jsonLines(task.payload).map((text) => paintLine(theme, [['plain', `   ${text}`]], size.columns)),
    ...resultLines(view, task),
  ];
}

function ownerSpans({ user_id }: Task, owner: Instance | null, now: number): Span[] {
  if (user_id === null) return [['muted', 'no user']];
  if (owner === null) return [['plain', `user ${user_id}, who has no database`]];
  const { glyph, token } = phaseLook(owner.phase);
  return [
    ['plain', `${owner.name}  `],
    [token, `${glyph} ${reasonLine(owner, now) ?? phaseText(owner.phase)}`],
    ['muted', `  ${keyFor('task.instance')} opens it`],
  ];
}

function attemptLines(view: View, errors: readonly AttemptError[]): string[] {
  const { theme } = view;
  if (errors.length === 0) return [];
  const title = theme.paint('title', ` ${plural(errors.length, 'failed attempt')}, newest first`);
  return [
    title,
    ...errors.toReversed().flatMap((error, index) => attemptErrorLines(view, error, index === 0)),
    '',
  ];
}

/** One failed attempt. The stack is shown only for the newest one, because most attempts fail in the same way. */
function attemptErrorLines({ theme, size }: View, error: AttemptError, whole: boolean): string[] {
  const lasted = since(error.started_at, Date.parse(error.at));
  const head: Span[] = [
    ['bad', `   ✗ ${error.attempt}`],
    ['plain', `  ${clockTime(error.at)} after ${latency(lasted)}`],
    ['muted', `  on ${error.worker}`],
  ];
  const name = error.name === undefined ? '' : `${error.name}: `;
  const code = error.code === undefined ? '' : ` (${error.code})`;
  const message = wrapWords(`${name}${error.message}${code}`, size.columns - 8);
  return [
    paintLine(theme, head, size.columns),
    ...message.map((text) => paintLine(theme, [['bad', `     ${text}`]], size.columns)),
    ...(error.causes ?? [])
      .flatMap((cause) => wrapWords(`caused by ${sanitise(cause)}`, size.columns - 8))
      .map((text) => paintLine(theme, [['plain', `     ${text}`]], size.columns)),
    ...(whole ? stackLines(error) : []).map((text) =>
      paintLine(theme, [['muted', `     ${text}`]], size.columns),
    ),
  ];
}

/** The stack without its first line, which repeats the message. */
function stackLines({ stack }: AttemptError): string[] {
  if (stack === undefined) return [];
  return stack
    .split(/\s+(?=at )/)
    .slice(1)
    .map((text) => sanitise(text).trim());
}

function resultLines({ theme, size }: View, { status, result, answer }: Task): string[] {
  const part = (title: string, lines: readonly string[]) => [
    '',
    theme.paint('title', ` ${title}`),
    ...lines.map((text) => paintLine(theme, [['plain', `   ${text}`]], size.columns)),
  ];
  const hasResult = status === 'done' && result !== null && result !== undefined;
  return [
    ...(hasResult ? part('Result', jsonLines(result)) : []),
    ...(answer === null ? [] : part('Response', answer.split('\n').map(sanitise))),
  ];
}
