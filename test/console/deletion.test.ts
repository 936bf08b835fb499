import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ownerOf, signIn, signUp, writeAndRead } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';
import { daemon, open } from './stage.ts';

const NAME = '2026-11-21-001-user001';

describe('deleting a database from the console', () => {
  it('takes its data when its name is typed, and gives its owner a new one', async () => {
    const fathom = await deployment();
    await fathom.start();
    const tenant = await signUp(fathom, 'doomed');
    const { name, email } = tenant;
    await writeAndRead(fathom, tenant, 'not to be kept');
    const screen = open({ socketPath: fathom.socketPath }, { columns: 120, rows: 30 });
    await screen.shows('● live', '● ready');
    screen.press('2');
    await screen.shows('2 instances', `● ${name}`);
    // The global database is the first in the list.
    screen.press('G', 'D');
    await screen.notices();

    screen.press('g', 'D');
    await screen.shows(`Delete ${name}?`, email);
    screen.press('\u0019');
    await screen.notices(`fathomd databases delete ${name}`);
    screen.press(name.slice(0, -1), 'enter');
    await screen.refusesForm();
    expect((await fathom.client.databases.get(name)).phase).toBe('running');

    screen.press(name.slice(-1), 'enter');
    await screen.shows(`✓ deleted ${name}`);
    await screen.hides(`● ${name}`);
    expect(existsSync(join(fathom.dataDir, 'user_dbs', name))).toBe(false);
    const { database } = await signIn(fathom, tenant);
    if (!database?.token) throw new Error('its owner is given a new database');
    expect(database.name).not.toBe(name);
    await screen.shows(`● ${database.name}`);
    const owner = await ownerOf(fathom, { ...tenant, name: database.name, ownerToken: database.token });
    expect((await owner.collection('documents').getList()).totalItems).toBe(0);
    screen.press('6');
    await screen.shows(new RegExp(`database\\.delete +${name}.* ok`));
  });

  it('is left with Esc, and says why it cannot be done', async () => {
    const stub = await daemon();
    stub.onAction = async () => Promise.reject(new Error('nothing must be asked for'));
    const screen = open({ url: stub.url });
    await screen.shows('● live', '● ready');
    screen.press('2', 'G', 'k', 'k', 'space', 'g', 'D');
    await screen.notices();
    screen.press('esc', 'g', 'D');
    await screen.shows(`Delete ${NAME}?`);
    screen.press('esc');
    await screen.opens(null);

    // The link goes while the name is typed.
    screen.press('D');
    await screen.opens('form');
    stub.status = { permissions: ['databases.read'] };
    const { url, port } = stub;
    await stub.close();
    await screen.shows('▲ stale');
    screen.press(NAME, 'enter');
    await screen.refusesForm();
    screen.press('esc');
    await screen.opens(null);
    screen.press('D');
    await screen.notices();

    const next = await daemon([...stub.instances.values()], { port });
    next.status = { permissions: ['databases.read', 'databases.operate'] };
    screen.press('ctrl+r');
    await screen.shows('● live');
    const { store } = screen.console.fleet;
    await until(() => store.get().status?.permissions.length === 2, { what: 'the new permissions' });
    screen.press('D');
    await screen.notices('databases.delete');
    expect([...stub.requests, ...next.requests].filter((one) => one.startsWith('DELETE'))).toEqual([]);

    const reader = open({ url }, { readOnly: true });
    await reader.shows('● live', 'read-only');
    reader.press('5', 'D');
    await reader.notices('--read-only');
  });
});
