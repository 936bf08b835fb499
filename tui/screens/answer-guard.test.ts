import { expect, it } from 'vitest';
import type { Dialog } from '../store/ui-state.ts';
import { AnswerGuard } from './answer-guard.ts';

function stage() {
  const waiting: (() => void)[] = [];
  const guard = new AnswerGuard((callback) => void waiting.push(callback));
  return { guard, readPendingInput: () => waiting.splice(0).forEach((callback) => callback()) };
}

const stop = (name: string): Dialog => ({ kind: 'confirm', action: { verb: 'stop', names: [name] } });

it('takes input when the question is on the screen and what was typed before has been read', () => {
  const { guard, readPendingInput } = stage();
  const question = stop('one');
  expect(guard.accepts(question)).toBe(false);
  guard.drawn(question);
  expect(guard.accepts(question)).toBe(false);
  readPendingInput();
  expect(guard.accepts(question)).toBe(true);
});

it('asks again for another question that takes its place', () => {
  const { guard, readPendingInput } = stage();
  const [first, second] = [stop('one'), stop('two')];
  guard.drawn(first);
  guard.drawn(second);
  readPendingInput();
  expect(guard.accepts(first)).toBe(false);
  expect(guard.accepts(second)).toBe(true);
  // The next one is open, and not drawn yet.
  expect(guard.accepts(stop('two'))).toBe(false);
});

it('goes on with a form while it is filled in, and takes a key for the help at any time', () => {
  const { guard, readPendingInput } = stage();
  const purpose = { kind: 'sign-in' } as const;
  const form = (value: string): Dialog => ({
    kind: 'form',
    form: {
      purpose,
      title: '',
      about: '',
      verb: '',
      fields: [{ name: 'email', label: '', value, kind: 'text' }],
      at: 0,
      error: null,
      busy: false,
    },
  });
  guard.drawn(form(''));
  readPendingInput();
  expect(guard.accepts(form('a'))).toBe(true);
  expect(guard.accepts({ kind: 'help', top: 0 })).toBe(true);
});
