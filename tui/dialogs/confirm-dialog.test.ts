import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { CONFIRMED_ACTIONS, type ConfirmedVerb } from '../store/actions/actions.ts';
import { createThemes } from '../theme.ts';
import { confirmDialog } from './confirm-dialog.ts';

const ERROR = 'a long error '.repeat(30);

it.each([
  [60, 9, 1],
  [60, 9, 40],
  [80, 21, 40],
])(
  'shows the consequences and the answers also for a long question: %i×%i, %i names',
  (columns, rows, count) => {
    const names = Array.from({ length: count }, (_, index) => `2026-11-21-${100 + index}-user`);
    for (const verb of Object.keys(CONFIRMED_ACTIONS) as ConfirmedVerb[]) {
      const action = { verb, names, what: `12 dead tasks, all of “${ERROR}”` };
      const box = confirmDialog({ theme: createThemes('none').live, columns, rows }, action, {
        past: [],
        ready: true,
      });
      const text = box.rows.map(stripVTControlCharacters).join(' ').replace(/[│ ]+/g, ' ');
      expect(box.rows.length).toBeLessThanOrEqual(rows);
      expect(text).toContain(`${CONFIRMED_ACTIONS[verb].word} 12 dead tasks`);
      expect(text).toContain(CONFIRMED_ACTIONS[verb].consequence);
      expect(text).toMatch(/ y \S+.* n .*Esc /);
    }
  },
);
