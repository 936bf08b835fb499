import { expect, it } from 'vitest';
import { DatabaseTrash, type TrashDeps } from './trash.ts';

const [HERE, ELSEWHERE] = ['2026-01-15-001-ann', '2026-01-15-002-bob'] as const;

it('deletes and brings back nothing on a member of a cluster, and names the node that does', async () => {
  const deps = {
    catalog: { find: (name: string) => (name === HERE ? {} : null) },
    share: { leader: { node: 'n1' } },
  } as unknown as TrashDeps;
  const trash = new DatabaseTrash(deps);
  const [refused, moveFirst] = [
    { code: 'conflict', message: expect.stringContaining('node n1 ') },
    { code: 'conflict', message: expect.stringContaining(`fathomd databases move ${HERE} n1`) },
  ];
  await expect(trash.delete(HERE, { withAccount: true })).rejects.toMatchObject(moveFirst);
  for (const attempt of [
    () => trash.delete(ELSEWHERE, { withAccount: false }),
    () => trash.undelete(ELSEWHERE),
    () => trash.erase(ELSEWHERE),
  ])
    await expect(attempt()).rejects.toMatchObject(refused);
});
