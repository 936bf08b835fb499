import { PHASE_REASON_CODES, type RetryRule, ruleOf } from '../shared/reasons.ts';
import { markdownTable, withGeneratedPart } from './markdown.ts';

const RETRIED: Readonly<Record<RetryRule, string>> = {
  on_request: 'when the instance is started',
  limited: 'for ever once it has served, else `RESTART_MAX_ATTEMPTS` times',
  few: 'up to 3 times',
  until_gone: 'until the cause is gone',
};

/** `docs/states.md` with the table of reasons, which derives from `shared/reasons.ts`. */
export function withReasonTable(document: string): string {
  const rows = PHASE_REASON_CODES.map((code) => {
    const { cause, retry, remedy, page } = ruleOf(code);
    const steps = page === undefined ? '' : ` ([steps](${page}))`;
    return [`\`${code}\``, cause, RETRIED[retry], `${remedy.replaceAll("'", '`')}${steps}`];
  });
  return withGeneratedPart(
    document,
    'reasons',
    markdownTable(['reason', 'what happened', 'tried again', 'what to do'], rows),
  );
}
