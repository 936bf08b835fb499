import { describe, expect, it } from 'vitest';
import type { DatabaseBackups, ListedBackup } from '../../shared/api/backups.ts';
import { BACKUP_STATUS } from '../helpers/backup-status.ts';
import { damageChunks } from '../helpers/backups.ts';
import { addDocument, titlesOf } from '../helpers/documents.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { litestream, nextSecond, replicated } from '../helpers/replication.ts';
import { until } from '../helpers/until.ts';
import { ago } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const shared = sharedDeployment();
const NAME = '2026-11-21-001-user001';

function listed(id: string, more: Partial<ListedBackup> = {}): ListedBackup {
  return { id, created_at: ago(7_200), bytes: 1_048_576, stored_bytes: 65_536, damaged: false, ...more };
}

function known(database: string, more: Partial<DatabaseBackups> = {}): DatabaseBackups {
  const { damaged: _, ...last } = listed('20261121t020000000z-00000001');
  return {
    database,
    last,
    confirmed_at: ago(7_200),
    late: false,
    running: false,
    failure: null,
    retry_at: null,
    restore: null,
    last_restore: null,
    drilling: null,
    drill: null,
    proven: null,
    ...more,
  };
}

const pageOf = <T>(items: readonly T[]) => ({ items, page: 1, per_page: 200, total: items.length });

describe('backups of a real daemon', () => {
  it('are made and restored, after the name of the database was typed', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom, 'ann');
    await addDocument(fathom, tenant, 'kept');
    const screen = open({ socketPath: fathom.socketPath }, { columns: 80, rows: 24 });
    await screen.shows('● live');
    screen.press('0', '/', tenant.name, 'enter');
    await screen.shows('Target', 'backups', 'no recovery key', 'no backup yet');
    screen.press('b');
    await screen.shows(`✓ backed up ${tenant.name}`, '● ok');
    screen.press('enter');
    await screen.shows('Summary', '1 backup, ', /\d\d:\d\d:\d\d .* ● ok/);
    screen.press('v');
    await screen.shows(
      `✓ proved the backup of ${tenant.name}`,
      /\d\d:\d\d:\d\d .* ● proved/,
      'proved by a drill',
    );
    await addDocument(fathom, tenant, 'lost');

    screen.press('R');
    await screen.shows(`Restore ${tenant.name}?`, tenant.email, 'is replaced by');
    screen.press(tenant.name.slice(0, -1), 'enter');
    await screen.refusesForm();
    expect(titlesOf(fathom, tenant)).toEqual(['kept', 'lost']);
    screen.press(tenant.name.slice(-1), 'enter');
    await screen.shows(`✓ restored ${tenant.name}`);
    expect(titlesOf(fathom, tenant)).toEqual(['kept']);

    screen.press('0');
    await screen.shows('1/1');
    screen.press('esc');
    await screen.shows('1/2', /^ +global /m);
    screen.press('G', 'enter');
    await screen.shows(' global ', 'No backups yet');
    screen.press('b');
    await screen.shows('1 backup, ');
    screen.press('R');
    await screen.notices('fathomd restore');
  });
});

describe('drills of a real daemon', () => {
  it('show why a backup is not proved, until the next one is', async () => {
    const { fathom } = shared;
    const { name } = await signUp(fathom, 'ben');
    const { id } = await fathom.client.backups.create(name);
    await damageChunks(fathom, name, id);
    const screen = open({ socketPath: fathom.socketPath }, { columns: 160, rows: 30 });
    await screen.shows('● live');
    screen.press('0', '/', name, 'enter');
    await screen.shows('PROVED', /Drills .*without a proved backup/, /● ok/);
    screen.press('v');
    await screen.shows(
      `✗ prove the backup of ${name} failed`,
      '✗ drill failed',
      'The drill failed:',
      'is damaged',
    );
    expect((await fathom.client.daemon.status()).backups.drills).toMatchObject({ failed_databases: 1 });
    await screen.shows(/Drills +1 failed/);
    screen.press('enter');
    await screen.shows(/\d\d:\d\d:\d\d .*✗ (drill failed|damaged)/);
    screen.press('b');
    await screen.shows(`✓ backed up ${name}`);
    screen.press('v');
    await screen.shows(`✓ proved the backup of ${name}`, '● proved');
    screen.press('0');
    await screen.hides('drill failed');
  });
});

describe.skipIf(litestream === null)('a replica of a real daemon', () => {
  it('is restored to a time, after the name of the database was typed', async () => {
    const { fathom } = await replicated();
    await fathom.start();
    const tenant = await signUp(fathom, 'cat');
    await addDocument(fathom, tenant, 'kept');
    const started = Date.now();
    await until(
      async () => {
        const found = await fathom.client.replicas.times(tenant.name);
        return found.from !== null && Date.parse(found.to ?? '') > started + 1_000 ? found : null;
      },
      { what: 'the replica' },
    );
    const at = await nextSecond();
    await addDocument(fathom, tenant, 'lost');
    const screen = open({ socketPath: fathom.socketPath }, { columns: 100, rows: 30 });
    await screen.shows('● live');
    screen.press('0', '/', tenant.name, 'enter');
    await screen.shows('no backup yet');
    screen.press('enter');
    await screen.shows('T restores a time since');
    screen.press('T');
    await screen.shows(`Restore ${tenant.name} to a time?`, 'until now, in ', 'Uploaded files come from');
    screen.press(at.toISOString(), 'down', tenant.name, 'enter');
    await screen.shows(`✓ restored ${tenant.name}`);
    expect(titlesOf(fathom, tenant)).toEqual(['kept']);
  });
});

describe('backups', () => {
  it('are restored to a time of the replica only, and not without a replica', async () => {
    const stub = await daemon();
    const permissions = ['backups.create', 'backups.restore'];
    stub.status = { permissions, backups: BACKUP_STATUS };
    stub.answers.set('/api/v1/backups', pageOf([known(NAME)]));
    stub.answers.set(`/api/v1/databases/${NAME}/backups`, pageOf([listed('20261121t020000000z-00000001')]));
    const without = open({ url: stub.url }, { columns: 80, rows: 24 });
    await without.shows('● live', '● ready');
    without.press('0', 'enter');
    await without.shows('1 backup, ');
    without.press('T');
    await without.notices('set REPLICA');

    const replica = {
      target: '/mnt/replica',
      version: '0.5.17',
      pid: 1,
      databases: 1,
      lag_seconds: 1,
      restarts: 0,
      problem: null,
      remedy: null,
    };
    stub.status = { permissions, backups: { ...BACKUP_STATUS, replica } };
    stub.answers.set(`/api/v1/databases/${NAME}/replica`, { from: ago(600), to: ago(1) });
    const screen = open({ url: stub.url }, { columns: 80, rows: 24 });
    await screen.shows('● live', '● ready');
    screen.press('0', 'enter');
    await screen.shows('T restores a time since');
    screen.press('T');
    await screen.shows(`Restore ${NAME} to a time?`, 'until now, in ', 'in steps of 30 seconds', '--at TIME');
    expect(screen.lines.every((line) => line.length <= 80)).toBe(true);
    screen.press('noon', 'enter');
    await screen.shows('is not a time');
    screen.press('ctrl+u', ago(1_200), 'enter');
    await screen.shows('the replica has nothing of', 'restore a backup');
    screen.press('ctrl+u', ago(-600), 'enter');
    await screen.shows('is in the future');
    const at = ago(300);
    screen.press('ctrl+u', at, 'down', 'another');
    await screen.hides('--at TIME');
    screen.press('enter');
    await screen.shows('the name does not match');
    expect(stub.requests.filter((one) => one.startsWith('POST'))).toEqual([]);
    screen.press('esc');
    await screen.opens(null);
  });

  it('tell what is late, failed or at work, with reason and next step, at 80×24', async () => {
    const stub = await daemon();
    const failure = {
      reason: 'target_full',
      message: 'no space left on /mnt/backups',
      remedy: 'free space on the target, or set BACKUP_TARGET to a larger one',
      since: ago(300),
    } as const;
    stub.status = {
      permissions: ['backups.create', 'backups.restore'],
      backups: {
        target: 's3://backups/a-host-with-a-long-name?endpoint=https://s3.example.com&region=eu',
        schedule: '0 2 * * * Europe/Berlin',
        next_at: new Date(Date.now() + 3_600_000).toISOString(),
        running: 2,
        databases: 1_204,
        bytes: 90_194_313_216,
        late: 3,
        oldest_at: ago(400_000),
        failures: [{ ...failure, databases: 12 }],
        unusable_keys: [{ database: 'x', problem: 'the key of x is damaged' }],
        drills: {
          ...BACKUP_STATUS.drills,
          next_at: new Date(Date.now() + 200_000_000).toISOString(),
          last_at: ago(90_000),
          failed_databases: 1,
          without_proof_databases: 9,
        },
        replica: null,
        recovery_key: true,
      },
    };
    stub.answers.set(
      '/api/v1/backups',
      pageOf([
        known(NAME, { failure, retry_at: new Date(Date.now() + 30_000_000).toISOString() }),
        known('2026-11-21-002-user002', { late: true, confirmed_at: ago(200_000) }),
        known('2026-11-21-003-user003', {
          restore: { backup: 'b', stage: 'reading', bytes: 1000, read_bytes: 450, since: ago(12) },
        }),
        known('2026-11-21-004-user004', {
          drill: { backup: 'b', at: ago(90_000), problem: 'a part is damaged' },
          proven: { backup: 'a', at: ago(900_000) },
        }),
        known('2026-11-21-005-user005', {
          drilling: { stage: 'reading', bytes: 1000, read_bytes: 300, since: ago(5) },
          proven: { backup: 'a', at: ago(900_000) },
        }),
        known('global', { running: true }),
      ]),
    );
    const screen = open({ url: stub.url }, { columns: 80, rows: 24 });
    await screen.shows('● live');
    screen.press('0');
    await screen.shows(
      '1204 with 84 GiB · 12 failed · 3 late · 1 unusable key',
      /a-host-with-a-long-name$/m,
      'the recovery key is made',
      /user001 +2 h +1\.0 M +– ✗ target full · retry in 8 h/,
      /no space left on .mnt.backups → free space on the target/,
      /user002 +2 d +1\.0 M +– ▲ late/,
      /user003 .*◐ restoring: reads 45 %/,
      /global .*◐ backing up/,
      /next run in 59 m/,
      /Drills +1 failed · 9 databases without a proved backup · next run in 2 d 7 h/,
      /user004 +2 h +1\.0 M ✗ 25 h ✗ drill failed/,
      /user005 +2 h +1\.0 M +10 d ◐ drill reads 30 %/,
    );
    expect(screen.lines.every((line) => line.length <= 80)).toBe(true);
    screen.press('j');
    await screen.shows('No recent backup → b backs it up now');
    screen.press('?');
    await screen.shows('Backups of the selected database', 'back it up now');
    await screen.shows('prove its last backup');
    screen.press('esc', 'j', 'j');
    await screen.shows('The drill failed: a part is damaged → b makes another backup, then v proves it');
    screen.press('/', 'late', 'enter');
    await screen.shows('/late', '1/1');
  });

  it('cannot be restored when they are damaged, or without the permission', async () => {
    const stub = await daemon();
    stub.status = { permissions: ['backups.create', 'backups.restore'] };
    const damaged = listed('20261121t030000000z-00000002', { damaged: true, bytes: 0 });
    stub.answers.set('/api/v1/backups', pageOf([known(NAME)]));
    stub.answers.set(
      `/api/v1/databases/${NAME}/backups`,
      pageOf([damaged, listed('20261121t020000000z-00000001')]),
    );
    const screen = open({ url: stub.url }, { columns: 80, rows: 24 });
    await screen.shows('● live', '● ready');
    screen.press('0', 'enter');
    await screen.shows('2 backups, 128 KiB on the target', '✗ damaged', 'This backup cannot be restored');
    screen.press('R');
    await screen.notices('damaged');
    screen.press('j', 'R');
    await screen.shows(`Restore ${NAME}?`);
    screen.press('esc');
    await screen.opens(null);

    const reader = open({ url: stub.url }, { readOnly: true });
    await reader.shows('● live', 'read-only');
    reader.press('0', 'b');
    await reader.notices('--read-only');
    reader.press('v');
    await reader.notices('--read-only');
    reader.press('enter', 'R');
    await reader.notices();
    expect(stub.requests.filter((one) => one.startsWith('POST'))).toEqual([]);
  });
});
