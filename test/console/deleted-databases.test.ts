import { describe, expect, it } from 'vitest';
import type { DeletedDatabase } from '../../shared/api/trash.ts';
import { addDocument, titlesOf } from '../helpers/documents.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { daemon, open } from './stage.ts';

const NAME = '2026-11-21-001-user001';

function deleted(more: Partial<DeletedDatabase> = {}): DeletedDatabase {
  return {
    name: NAME,
    state: 'deleted',
    user_id: 'u00000000000001',
    email: 'ann@example.com',
    account: false,
    deleted_at: '2026-11-20T10:00:00.000Z',
    erase_at: '2026-12-20T10:00:00.000Z',
    last_backup_at: null,
    problem: null,
    ...more,
  };
}

const PROBLEM = {
  reason: 'target_away',
  message: 'the target does not answer',
  remedy: 'start the target',
  since: '2026-11-21T10:00:00.000Z',
} as const;

const pageOf = <T>(items: readonly T[]) => ({ items, page: 1, per_page: 200, total: items.length });

describe('deleted databases of a real daemon', () => {
  it('come back with their data, and run', async () => {
    const fathom = await deployment({ DATABASE_TRASH_DAYS: '3' });
    await fathom.start();
    const tenant = await signUp(fathom, 'ann');
    const { name, email } = tenant;
    await addDocument(fathom, tenant, 'kept');
    await fathom.client.databases.delete(name);
    const screen = open({ socketPath: fathom.socketPath }, { columns: 120, rows: 30 });
    await screen.shows('● live', '● ready');
    screen.press('5', 't');
    await screen.shows('1 deleted database', name, email, 'in the trash');

    screen.press('u');
    await screen.shows(`undelete ${name}`);
    screen.press('n');
    await screen.opens(null);
    expect(await fathom.client.trash.all()).toHaveLength(1);

    screen.press('u');
    await screen.opens('confirm');
    screen.press('y');
    await screen.shows(`✓ undeleted ${name}`, 'No deleted databases.');
    expect((await fathom.client.databases.get(name)).phase).toBe('running');
    expect(titlesOf(fathom, tenant)).toEqual(['kept']);
    screen.press('t');
    await screen.goesTo('databases');
    await screen.shows('1 database', name);
  });
});

describe('deleted databases', () => {
  it('show their owner, their dates and why an erasure has not ended', async () => {
    const stub = await daemon();
    const pending = '2026-11-21-002-user002';
    stub.answers.set(
      '/api/v1/trash',
      pageOf([
        deleted(),
        deleted({
          name: pending,
          state: 'erasure_pending',
          user_id: null,
          email: null,
          erase_at: null,
          problem: PROBLEM,
        }),
      ]),
    );
    const screen = open({ url: stub.url }, { columns: 120, rows: 24 });
    await screen.shows('● live', '● ready');
    screen.press('5', 't');
    await screen.shows(
      '2 deleted databases',
      /NAME +OWNER +DELETED +ERASED ON +STATE/,
      new RegExp(`${NAME} +ann@example\\.com +2026-11-20 +2026-12-20 +● in the trash`),
      new RegExp(`${pending} +– +2026-11-20 +– +✗ erasure pending: the target does not answer`),
    );
    screen.press('G');
    await screen.shows('the target does not answer → start the target');
    screen.press('u');
    await screen.notices(pending);
    screen.press('enter');
    await screen.shows('"state": "erasure_pending"');
    screen.press('esc', '/', 'ann', 'enter');
    await screen.shows('/ann', '1/1');
    screen.press('?');
    await screen.shows('bring it back (asks first)');
    screen.press('esc');
    await screen.opens(null);
    screen.press('esc');
    await screen.shows('2 deleted databases');
    screen.press('esc');
    await screen.goesTo('databases');

    const small = open({ url: stub.url }, { columns: 80, rows: 24 });
    await small.shows('● live');
    small.press('5', 't', 'G');
    await small.shows(/✗ erasure pending/, '→ start the target');
    expect(small.lines.every((line) => line.length <= 80)).toBe(true);
    expect(stub.requests.filter((one) => one.startsWith('POST'))).toEqual([]);
  });

  it('show that there are none, or why they cannot be loaded', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live', '● ready');
    screen.press('5', 't');
    await screen.shows('✗ There is nothing here');
    screen.press('u');
    await screen.notices('selected');
    stub.answers.set('/api/v1/trash', pageOf([]));
    screen.press('ctrl+r');
    await screen.shows('0 deleted databases', 'No deleted databases.');

    stub.status = { trash: { days: 0, databases: 0, erasures_pending: 0, problem: null } };
    const other = open({ url: stub.url });
    await other.shows('● live', '● ready');
    other.press('5', 't');
    await other.shows('DATABASE_TRASH_DAYS=0');
  });

  it('do not come back from a read-only console, or without the permission', async () => {
    const stub = await daemon();
    stub.answers.set('/api/v1/trash', pageOf([deleted()]));
    const reader = open({ url: stub.url }, { readOnly: true });
    await reader.shows('● live', 'read-only');
    reader.press('5', 't');
    await reader.shows('1 deleted database', NAME);
    reader.press('u');
    await reader.notices('--read-only');

    stub.status = { permissions: ['databases.read'] };
    const screen = open({ url: stub.url });
    await screen.shows('● live', '● ready');
    screen.press('5', 't');
    await screen.shows('1 deleted database', NAME);
    screen.press('u');
    await screen.notices('databases.delete');
    expect(stub.requests.filter((one) => one.startsWith('POST'))).toEqual([]);
  });
});
