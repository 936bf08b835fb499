import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Instance } from '../../shared/api/instances.ts';
import {
  instance,
  kill,
  signIn,
  signUp,
  signUpMany,
  type Tenant,
  untilInstance,
  untilReplaced,
  writeAndRead,
} from '../helpers/fleet-actions.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { randomFrom } from '../helpers/random.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment();

/** Instances of user databases, once all run, none of them in a process that was `killed`: some take a moment to end. */
async function untilAllRun(count: number, killed: ReadonlySet<number>): Promise<Instance[]> {
  const { fathom } = shared;
  return until(
    async () => {
      const all = (await fathom.client.databases.all()).filter(({ kind }) => kind === 'user');
      const back = all.filter(({ phase, pid }) => phase === 'running' && !killed.has(pid ?? 0));
      return all.length === count && back.length === count ? all : null;
    },
    { what: () => `${count} running databases` },
  );
}

describe('a fleet of 30 under random kills', () => {
  it('runs again as a whole: one process and one port each, no lock in the way, nothing lost', async () => {
    const { fathom } = shared;
    const seed = Number(process.env['FATHOM_TEST_SEED'] ?? Date.now() % 2 ** 31);
    console.log(`random kills with FATHOM_TEST_SEED=${seed}`);
    const random = randomFrom(seed);
    const tenants = await signUpMany(fathom, 30);
    const pick = () => tenants[Math.floor(random() * tenants.length)] as Tenant;
    await writeAndRead(fathom, tenants[0] as Tenant, 'before');

    let kills = 0;
    const killed = new Set<number>();
    while (kills < 60) {
      const { pid } = await instance(fathom, pick().name);
      if (pid === null) continue;
      try {
        kill(pid, random() < 0.8 ? 'SIGKILL' : 'SIGTERM');
        kills += 1;
        killed.add(pid);
      } catch {
        // It was gone before, by an earlier one.
      }
    }

    const all = await untilAllRun(tenants.length, killed);
    expect(new Set(all.map(({ port }) => port)).size).toBe(tenants.length);
    // Some were killed three times.
    const troubles = all.filter(({ reason }) => reason !== null && reason.code !== 'crashing');
    expect(troubles).toEqual([]);
    const restarts = all.reduce((sum, one) => sum + one.restarts, 0);
    expect(restarts).toBeGreaterThan(0);
    expect(restarts).toBeLessThanOrEqual(kills);
    const processes = await fleetProcesses(fathom.dataDir);
    expect(processes).toHaveLength(tenants.length + 1);
    expect(new Set(processes.map(({ pid }) => pid))).toEqual(
      new Set((await fathom.client.databases.all()).map(({ pid }) => pid)),
    );
    await Promise.all(tenants.slice(0, 5).map((tenant) => writeAndRead(fathom, tenant, 'after')));
  });
});

describe('the global PocketBase', () => {
  it('comes back when it is killed; until then the daemon says 503, and no other instance is touched', async () => {
    const { fathom } = shared;
    const [tenant] = await signUpMany(fathom, 1);
    if (!tenant) throw new Error('a tenant');
    const before = await instance(fathom, 'global');
    const othersBefore = (await fathom.client.databases.all()).filter(({ kind }) => kind === 'user');
    const me = () =>
      fetch(`${fathom.url}/api/v1/me`, { headers: { authorization: `Bearer ${tenant.token}` } });
    expect((await me()).status).toBe(200);

    // A process that waits for its lock gets it when it dies, so it stays away until the lock is released.
    const holder = spawn('flock', ['--no-fork', join(fathom.dataDir, 'global', 'lock'), 'sleep', '600']);
    await once(holder, 'spawn');
    onTestFinished(() => {
      holder.kill('SIGKILL');
    });
    await until(
      async () =>
        (await readFile('/proc/locks', 'utf8')).includes(`-> FLOCK  ADVISORY  WRITE ${holder.pid} `),
      { what: 'the holder to wait for the lock' },
    );
    kill(before.pid, 'SIGKILL');
    const away = await untilInstance(fathom, 'global', ({ phase }) => phase === 'backing_off', 'to be away');
    expect(away).toMatchObject({ max_attempts: null, reason: { code: 'data_dir_locked' } });

    const refused = await me();
    expect([refused.status, refused.headers.get('content-type')]).toEqual([
      503,
      expect.stringMatching(/^application\/problem\+json/),
    ]);
    expect(await refused.json()).toMatchObject({ code: 'control_plane.unavailable' });
    expect((await fetch(`${fathom.url}/health`)).status).toBe(200);
    const readiness = await fetch(`${fathom.url}/health/ready`);
    expect([readiness.status, await readiness.json()]).toEqual([
      503,
      { status: 'waiting', waiting_for: expect.stringContaining('the global PocketBase') },
    ]);
    await writeAndRead(fathom, tenant, 'in the meantime');

    holder.kill('SIGKILL');
    const after = await untilReplaced(fathom, before);
    expect((await fetch(`${fathom.url}/health/ready`)).status).toBe(200);
    expect((await signIn(fathom, tenant)).database).toMatchObject({ name: tenant.name, status: 'Running' });
    await signUp(fathom);
    const others = (await fathom.client.databases.all()).filter(({ kind }) => kind === 'user');
    for (const { name: untouched, pid, restarts } of othersBefore) {
      expect(others.find(({ name }) => name === untouched)).toMatchObject({ pid, restarts });
    }
    expect(after).toMatchObject({ reason: null, port: before.port });
  });

  it('whose data is gone is not created again: the daemon reports it, and runs once the data is back', async () => {
    const fathom = await deployment();
    const daemon = await fathom.start();
    const tenant = await signUp(fathom);
    const { pid } = await instance(fathom, 'global');
    const data = join(fathom.dataDir, 'global', 'pb_data');
    await rename(data, `${data}.away`);
    kill(pid, 'SIGKILL');
    await untilInstance(fathom, 'global', ({ reason }) => reason?.code === 'data_dir_missing', 'to say so');
    await daemon.stop();

    const refused = fathom.launch();
    expect(await refused.exited).toBe(69);
    expect(refused.output()).toContain(data);
    expect(existsSync(data)).toBe(false);
    await rename(`${data}.away`, data);
    await fathom.start();
    expect((await signIn(fathom, tenant)).database?.name).toBe(tenant.name);
  });
});
