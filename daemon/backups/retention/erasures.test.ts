import { expect, it } from 'vitest';
import { ManualTime, settle } from '../../../test/helpers/manual-time.ts';
import type { Logger } from '../../base/log/log.ts';
import { Erasures } from './erasures.ts';

const requested = '2024-01-15 10:00:00.000Z';
const row = (database: string) => ({ id: `id-${database}`, database, account: false, requested });

function erasures(rows: ReturnType<typeof row>[], whileReading: (made: Erasures) => void = () => {}) {
  const made: Erasures = new Erasures({
    repository: {
      listErasures: () => {
        const stored = [...rows];
        whileReading(made);
        return Promise.resolve(stored);
      },
      endErasure: (id) => {
        const at = rows.findIndex((one) => one.id === id);
        rows.splice(at, 1);
        return Promise.resolve();
      },
    },
    backups: { erase: () => Promise.resolve() },
    onErased: () => Promise.resolve(),
    clock: new ManualTime(),
    log: { info: () => {}, error: () => {} } as unknown as Logger,
  });
  return made;
}

const names = ({ pending }: Erasures) => pending.map(({ database }) => database);

it('knows what an earlier daemon left before it begins', async () => {
  const left = erasures([row('a'), row('b')]);
  await left.load();
  expect(names(left)).toEqual(['a', 'b']);
});

it('keeps one that is requested while it reads the others', async () => {
  const left = erasures([row('a')], (made) => made.request({ database: 'b', account: true, requested }));
  await left.load();
  expect(names(left)).toEqual(['a', 'b']);
});

it('erases all', async () => {
  const rows = [row('a'), row('b')];
  const left = erasures(rows);
  left.start();
  await settle();
  await left.stop();
  expect([names(left), rows]).toEqual([[], []]);
});
