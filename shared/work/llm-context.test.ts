import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { assembleContext, type PartKind, type Section, textOfItem, tokensOf } from './llm-context.ts';

const KINDS: readonly PartKind[] = ['item', 'ancestor', 'child', 'blocker', 'context', 'comment', 'activity'];

const section = (kind: PartKind, texts: readonly string[], total = texts.length): Section => ({
  kind,
  parts: texts.map((text, index) => ({ id: `${kind}${index}`, text })),
  total,
});

it('never exceeds the limit, keeps the order, and counts all that is omitted', () => {
  const texts = fc.array(fc.string({ maxLength: 200 }), { maxLength: 6 });
  fc.assert(
    fc.property(
      fc.array(texts, { minLength: 7, maxLength: 7 }),
      fc.integer({ min: 1, max: 300 }),
      (all, max) => {
        const sections = KINDS.map((kind, index) =>
          section(kind, all[index] ?? [], (all[index]?.length ?? 0) + index),
        );
        const { parts, tokens, omitted } = assembleContext(sections, max);
        expect(tokens).toBeLessThanOrEqual(max);
        expect(parts.reduce((sum, part) => sum + tokensOf(part.text), 0)).toBe(tokens);
        const order = sections.flatMap((one) => one.parts.map(({ id }) => id));
        const places = parts.map(({ id }) => order.indexOf(id));
        expect(places).toEqual([...places].toSorted((one, other) => one - other));
        const count = omitted.reduce((sum, one) => sum + one.count, 0);
        expect(count + parts.length).toBe(sections.reduce((sum, { total }) => sum + total, 0));
      },
    ),
  );
});

it('shortens the item itself, omits what does not fit, and takes shorter parts after it', () => {
  const long = 'x'.repeat(400);
  expect(assembleContext([section('item', [long]), section('child', ['short'])], 50)).toEqual({
    parts: [{ kind: 'item', id: 'item0', text: `${'x'.repeat(199)}…`, tokens: 50 }],
    tokens: 50,
    omitted: [{ kind: 'child', count: 1 }],
  });
  const { parts, omitted } = assembleContext(
    [section('item', ['a']), section('context', [long, 'b'], 9)],
    10,
  );
  expect(parts.map(({ id }) => id)).toEqual(['item0', 'context1']);
  expect(omitted).toEqual([{ kind: 'context', count: 8 }]);
});

it('describes an item', () => {
  const item = {
    id: 'i',
    item_type: 'task',
    title: 'T',
    status: 'todo',
    description: 'D',
    labels: ['a', 'b'],
  };
  expect(textOfItem({ ...item, assignee: { name: 'Ann' } })).toBe(
    '# task: T\n\nid: i\nstatus: todo\nassignee: Ann\nlabels: a, b\n\nD',
  );
  expect(textOfItem({ ...item, assignee: null, description: '', labels: [] })).toBe(
    '# task: T\n\nid: i\nstatus: todo',
  );
});
