import { expect, it } from 'vitest';
import type { Dialog } from '../../store/view/ui-state.ts';
import { AnswerGuard } from './answer-guard.ts';

function stage() {
  let now = 0;
  let waiting: { at: number; callback: () => void } | null = null;
  const guard = new AnswerGuard(
    (ms, callback) => {
      const mine = { at: now + ms, callback };
      waiting = mine;
      return () => {
        if (waiting === mine) waiting = null;
      };
    },
    () => {},
  );
  const pass = (ms: number) => {
    now += ms;
    if (waiting === null || waiting.at > now) return;
    const { callback } = waiting;
    waiting = null;
    callback();
  };
  return { guard, pass };
}

const stop = (name: string): Dialog => ({ kind: 'confirm', action: { verb: 'stop', names: [name] } });

it('accepts input after the question is on the screen and no key came for a moment', () => {
  const { guard, pass } = stage();
  const question = stop('one');
  guard.typed();
  expect(guard.accepts(question)).toBe(false);
  guard.drawn(question);
  pass(99);
  expect(guard.accepts(question)).toBe(false);
  pass(1);
  expect(guard.accepts(question)).toBe(true);
  // The answer itself does not start the wait again.
  guard.typed();
  expect(guard.accepts(question)).toBe(true);
});

it('waits while the keys of a paste arrive one by one', () => {
  const { guard, pass } = stage();
  const question = stop('one');
  guard.drawn(question);
  for (let key = 0; key < 20; key += 1) {
    pass(40);
    guard.typed();
    expect(guard.accepts(question)).toBe(false);
  }
  pass(100);
  expect(guard.accepts(question)).toBe(true);
});

it('waits again when another question replaces it', () => {
  const { guard, pass } = stage();
  const [first, second] = [stop('one'), stop('two')];
  guard.drawn(first);
  pass(100);
  guard.drawn(second);
  expect(guard.accepts(first)).toBe(false);
  expect(guard.accepts(second)).toBe(false);
  pass(100);
  expect(guard.accepts(second)).toBe(true);
  // The next question is not drawn yet.
  expect(guard.accepts(stop('two'))).toBe(false);
  guard.drawn(null);
  pass(100);
  expect(guard.accepts(second)).toBe(false);
});

it('accepts text for a form once it is on the screen, and keys for the help at any time', () => {
  const { guard, pass } = stage();
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
  expect(guard.accepts(form(''))).toBe(false);
  guard.drawn(form(''));
  expect(guard.accepts(form('a'))).toBe(true);
  expect(guard.accepts({ kind: 'help', top: 0 })).toBe(true);
  // A form without fields is a question.
  const removal: Dialog = {
    kind: 'form',
    form: {
      purpose: { kind: 'remove-server', name: 'prod' },
      title: '',
      about: '',
      verb: '',
      fields: [],
      at: 0,
      error: null,
      busy: false,
    },
  };
  guard.drawn(removal);
  expect(guard.accepts(removal)).toBe(false);
  pass(100);
  expect(guard.accepts(removal)).toBe(true);
});
