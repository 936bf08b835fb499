import { expect, it } from 'vitest';
import { textWith } from '../../../test/helpers/text-with.ts';
import { ArchivedDatabases } from '../../databases/archive/archived-databases.ts';
import { requireKept } from './kept-archives.ts';

it('names archived databases whose backup is not known', async () => {
  const archived = new ArchivedDatabases();
  const processes = { run: () => Promise.reject(new Error('no target is read')) };
  await requireKept(archived, { target: '/backups', processes });
  archived.addUnreadable('bob');
  archived.addUnreadable('ann');
  await expect(requireKept(archived, { target: '/backups', processes })).rejects.toMatchObject({
    code: 'missing_archives',
    message: textWith('archived.json', 'ann, bob', 'fathomd backups restore', '--without-archives'),
    fields: [
      { path: 'ann', code: 'unreadable_archive' },
      { path: 'bob', code: 'unreadable_archive' },
    ],
  });
});
