import { chmod } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../shared/client/fathom-client.ts';
import { signIn, signUp } from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';
import { daemon, open } from './stage.ts';

const USER = {
  id: 'u00000000000001',
  email: 'someone@example.com',
  name: '',
  role: 'user',
  is_active: true,
  created: '2026-11-21T08:00:00.000Z',
  database: '2026-11-21-001-user001',
};

const shared = sharedDeployment();

const refused = (token: string) => {
  const client = createClient({ target: { url: shared.fathom.url }, token });
  return until(
    () =>
      client.databases.list().then(
        () => null,
        () => true,
      ),
    { what: 'the token to end' },
  );
};

describe('Accounts of a real daemon', () => {
  it('finds a user, changes its role, signs it out, deactivates and activates it', async () => {
    const { fathom } = shared;
    const ann = await signUp(fathom, 'ann');
    await signUp(fathom, 'bert');
    const screen = open({ socketPath: fathom.socketPath }, { columns: 140, rows: 30 });
    await screen.shows('● live', '● ready');
    screen.press('8');
    await screen.shows(ann.email, 'bert-', 'E-MAIL', '● active');
    screen.press('/', ann.email, 'enter');
    await screen.shows('1/1', ann.name);
    await screen.hides('bert-');

    screen.press('e');
    await screen.shows(ann.email, '‹ user ›');
    screen.press('space', 'enter');
    await screen.shows(new RegExp(`✓ .*${ann.email}.* viewer`), /viewer +● active/);
    expect((await fathom.client.users.get(ann.userId)).role).toBe('viewer');

    const { token } = await signIn(fathom, ann);
    screen.press('u');
    await screen.shows('Sign out?', ann.email);
    screen.press('y');
    await screen.shows(new RegExp(`✓ .*${ann.email}`));
    await refused(token);

    screen.press('x');
    await screen.shows('Deactivate?', ann.email);
    screen.press('y');
    await screen.shows(`deactivated ${ann.email}`, '○ inactive');
    expect((await fathom.client.users.get(ann.userId)).is_active).toBe(false);
    screen.press('x');
    await screen.shows('Activate?');
    screen.press('y');
    await screen.shows(`✓ activated ${ann.email}`, '● active');

    screen.press('enter');
    await screen.shows(`"email": "${ann.email}"`);
    screen.press('esc');
    await screen.shows('E-MAIL');
    screen.press('i');
    await screen.shows('Summary', ann.email);
  });

  it('lists API keys and sessions with their owners, and ends them', async () => {
    const { fathom } = shared;
    const carl = await signUp(fathom, 'carl');
    const made = await fathom.client.apiKeys.add({ name: 'nightly', user_id: carl.userId });
    const screen = open({ socketPath: fathom.socketPath }, { columns: 160, rows: 30 });
    await screen.shows('● live', '● ready');
    screen.press('8', 'tab');
    await screen.shows('nightly', carl.email, 'never');
    expect(screen.text).not.toContain(made.key);
    screen.press('x');
    await screen.shows('Revoke?', 'nightly');
    screen.press('y');
    await screen.shows(/✓ .*nightly/);
    await screen.hides('▸');
    await refused(made.key);

    screen.press('tab', '/', carl.email, 'enter');
    await screen.shows('1/1', carl.email);
    screen.press('x');
    await screen.shows('End?', carl.email);
    screen.press('y');
    await screen.shows(/✓ /);
    await refused(carl.token);
  });

  it('marks addresses that are not proved, and lists and revokes invitations', async () => {
    const { fathom } = shared;
    const emma = await signUp(fathom, 'emma');
    const { id } = await fathom.client.invitations.create({ email: 'guest@example.com', mail: false });
    await fathom.client.invitations.create({ uses: 3 });
    const screen = open({ socketPath: fathom.socketPath }, { columns: 160, rows: 30 });
    await screen.shows('● live', '● ready');
    screen.press('8', '/', emma.email, 'enter');
    await screen.shows('1/1', '○ no');
    await fathom.client.users.update(emma.userId, { verified: true });
    screen.press('esc', 'tab', 'tab', 'tab');
    await screen.shows('guest@example.com', 'every address', '0 of 3', 'open');
    screen.press('/', 'guest', 'enter');
    await screen.shows('1/1');
    screen.press('x');
    await screen.shows('Revoke?', 'guest@example.com');
    screen.press('y');
    await screen.shows(/✓ .*guest@example.com/);
    expect((await fathom.client.invitations.all()).map((one) => one.id)).not.toContain(id);
  });

  it('shows the sessions of everybody to an administrator alone', async () => {
    const { fathom } = shared;
    const dora = await signUp(fathom, 'dora');
    const own = createClient({ target: { url: fathom.url }, token: dora.token });
    await expect(own.sessions.list({ all: true })).rejects.toMatchObject({ code: 'auth.forbidden' });
    const all = await fathom.client.sessions.list({ all: true });
    expect(all.items.map(({ user_id }) => user_id)).toContain(dora.userId);
  });
});

describe('Accounts', () => {
  it('does nothing without the permission, and says which is missing', async () => {
    const stub = await daemon();
    stub.status = { permissions: ['users.read', 'sessions.read'] };
    stub.answers.set('/api/v1/users', { items: [USER], page: 1, per_page: 200, total: 1 });
    const screen = open({ url: stub.url }, { columns: 120 });
    await screen.shows('● live', '● ready');
    screen.press('8');
    await screen.shows('someone@example.com');
    screen.press('x');
    await screen.notices('users.write');
    screen.press('e');
    await screen.notices('users.write');
    screen.press('u');
    await screen.notices('sessions.end');
    expect(stub.requests.filter((one) => !one.startsWith('GET'))).toEqual([]);
    // Keys and sessions that may not be read say why.
    screen.press('tab');
    await screen.shows(/✗ /);
  });

  it('looks for a name among all users, and leaves control sequences of others out', async () => {
    const stub = await daemon();
    const odd = { ...USER, email: 'odd\u001B[2J@example.com', name: '\u009B31m' };
    stub.answers.set('/api/v1/users', { items: [odd], page: 1, per_page: 200, total: 4_000 });
    const screen = open({ url: stub.url }, { columns: 120 });
    await screen.shows('● live', '● ready');
    screen.press('8');
    await screen.shows('odd@example.com', '1/1+');
    screen.press('/', '2026-11-21-001-odd', 'enter');
    await screen.shows('/2026-11-21-001-odd');
    await until(() => stub.requests.some((one) => one.includes('search=odd')), { what: 'the search' });
    expect(screen.lines[0]).toContain('Fathom');
  });
});

/** A field of the last line that a daemon logs while it starts. */
const LAST_OF_START = 'api=http';

describe('Host of a real daemon', () => {
  it('shows what the doctor finds, worst first, with what to do, and checks again', async () => {
    const { fathom } = shared;
    const { dataDir } = fathom;
    await chmod(dataDir, 0o755);
    onTestFinished(() => chmod(dataDir, 0o700));
    const screen = open({ socketPath: fathom.socketPath }, { columns: 160, rows: 40 });
    await screen.shows('● live', '● ready');
    screen.press('9');
    await screen.shows('▲ warning', '0755', `'chmod 700 ${dataDir}'`, '● ok');
    expect(screen.line('▸')).toContain('data_dir');
    screen.press('y', 'w');
    await screen.notices('chmod 700');
    expect(screen.clipboard).toContain(`'chmod 700 ${dataDir}'`);
    await chmod(dataDir, 0o700);
    screen.press('/', 'data_dir', 'enter');
    await screen.shows('▲ warning');
    await until(
      () => {
        // Within two seconds the daemon hands out the same report.
        screen.press('ctrl+r');
        return screen.text.includes('only its owner can read and write');
      },
      { what: 'another report' },
    );
  });

  it('shows the log of the daemon itself, the latest first', async () => {
    const { fathom } = shared;
    const screen = open({ socketPath: fathom.socketPath }, { columns: 160, rows: 40 });
    await screen.shows('● live', '● ready');
    screen.press('9', 'tab');
    await screen.shows(LAST_OF_START);
    screen.press('/', LAST_OF_START, 'enter');
    await screen.shows('1/1');
    screen.press('y', 'l');
    await screen.notices(LAST_OF_START);
    expect(screen.clipboard).toMatch(/^\d{4}-.*Z info .*databases=\d+ api=http/);
  });

  it('is for those who see everything', async () => {
    const { fathom } = shared;
    const { token } = await signUp(fathom, 'emil');
    const own = createClient({ target: { url: fathom.url }, token });
    const viewer = createClient({ target: { socketPath: fathom.socketPath }, role: 'viewer' });
    for (const method of ['doctor', 'log'] as const) {
      await expect(own.daemon[method]()).rejects.toMatchObject({ code: 'auth.forbidden' });
      await expect(viewer.daemon[method]()).resolves.toBeDefined();
    }
    await expect(fathom.client.daemon.log({ tail: 3_000 })).rejects.toMatchObject({
      code: 'request.invalid',
    });
    expect((await fathom.client.daemon.log({ tail: 2 })).lines).toHaveLength(2);
  });
});
