import { copyFile, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { FleetEvent } from '../../shared/events.ts';
import {
  instance,
  kill,
  signUp,
  untilInstance,
  untilReplaced,
  writeAndRead,
} from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { fleetIdOf, keeperOf } from '../helpers/leaks.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment();
const dataOf = (name: string) => join(shared.fathom.dataDir, 'user_dbs', name, 'pb_data');

/** Phases that an instance went through, in order, as the stream sent them. */
function phasesOf(events: FleetEvent[], name: string) {
  return events.flatMap((event) => (event.kind === 'instance.phase' && event.name === name ? [event] : []));
}

describe('an instance that ends by itself', () => {
  it('is back at once after SIGKILL, with the reason and the exit to be seen', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    await writeAndRead(fathom, tenant, 'before');
    const before = await instance(fathom, tenant.name);
    const stream = new StreamReader(fathom);
    onTestFinished(() => stream.close());
    await stream.subscribe(1, 'instances');

    kill(before.pid, 'SIGKILL');
    const after = await untilReplaced(fathom, before);
    await until(() => phasesOf(stream.events('instances'), tenant.name).length === 3, {
      what: 'three phases',
    });

    const phases = phasesOf(stream.events('instances'), tenant.name);
    expect(phases.map(({ from, to }) => `${from} → ${to}`)).toEqual([
      'running → queued',
      'queued → starting',
      'starting → running',
    ]);
    expect(phases[0]?.instance.reason).toMatchObject({
      code: 'killed',
      message: textWith('SIGKILL'),
    });
    expect(after).toMatchObject({
      port: before.port,
      restarts: 1,
      reason: null,
      last_exit: { code: null, signal: 'SIGKILL', ended_by: null },
    });
    expect(after.last_exit?.uptime_s).toBeGreaterThanOrEqual(0);
    await writeAndRead(fathom, tenant, 'after');
  });

  it('is restarted after an unrequested exit 0', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const before = await instance(fathom, tenant.name);
    kill(before.pid, 'SIGTERM');
    expect(await untilReplaced(fathom, before)).toMatchObject({
      restarts: 1,
      last_exit: { code: 0, signal: null, ended_by: null },
    });
  });
});

describe('the process that starts the others', () => {
  it('may die as well: what runs goes on, and is supervised as before', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const before = await instance(fathom, tenant.name);
    kill(await keeperOf(fleetIdOf(fathom.dataDir)), 'SIGKILL');
    await writeAndRead(fathom, tenant, 'without it');
    kill(before.pid, 'SIGKILL');
    expect(await untilReplaced(fathom, before)).toMatchObject({
      restarts: 1,
      last_exit: { ended_by: null },
    });
    await signUp(fathom);
  });
});

describe('a crash loop', () => {
  it('ends in `failed` with the cause and the last lines, delays no other instance, and can be repaired', async () => {
    const { fathom } = shared;
    const [broken, healthy] = [await signUp(fathom), await signUp(fathom)];
    await writeAndRead(fathom, broken, 'precious');
    const { pid } = await fathom.client.databases.stop(broken.name);
    expect(pid).toBeNull();
    const file = join(dataOf(broken.name), 'data.db');
    await copyFile(file, `${file}.backup`);
    const whole = await readFile(file);
    // Damaged behind its first bytes, at which the daemon looks itself.
    await writeFile(
      file,
      Buffer.concat([whole.subarray(0, 16), Buffer.alloc(whole.length - 16, 'no database')]),
    );

    const started = fathom.client.databases.start(broken.name);
    await expect(started).rejects.toMatchObject({ code: 'instance.failed' });
    // Meanwhile another one is stopped and started as if nothing was wrong.
    await fathom.client.databases.stop(healthy.name);
    expect(await fathom.client.databases.start(healthy.name)).toMatchObject({ phase: 'running' });

    const failed = await untilInstance(fathom, broken.name, ({ phase }) => phase === 'failed', 'to fail');
    expect(failed).toMatchObject({
      desired: 'running',
      pid: null,
      attempt: 3,
      max_attempts: 3,
      restarts: 3,
      next_attempt_at: null,
      reason: { code: 'database_corrupt', message: textWith('pb_data') },
      last_exit: { code: 1, ended_by: null },
    });
    expect(failed.reason?.log_tail?.join('\n')).toMatch(/not a database/);
    expect(await instance(fathom, healthy.name)).toMatchObject({ phase: 'running' });

    await rename(`${file}.backup`, file);
    expect(await fathom.client.databases.start(broken.name)).toMatchObject({
      phase: 'running',
      reason: null,
      attempt: 0,
    });
    await writeAndRead(fathom, broken, 'more');
  });

  it('is reported to its user by the lifecycle API, until force_restart', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const file = join(dataOf(tenant.name), 'data.db');
    await fathom.client.databases.stop(tenant.name);
    const whole = await readFile(file);
    await writeFile(file, '');
    const init = (body: object) =>
      fetch(`${fathom.url}/api/users/${tenant.userId}/init_pb`, {
        method: 'POST',
        headers: { authorization: `Bearer ${tenant.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await init({})).status).toBe(502);
    await untilInstance(fathom, tenant.name, ({ phase }) => phase === 'failed', 'to fail');
    const refused = await init({ force_restart: false });
    expect([refused.status, await refused.json()]).toEqual([
      502,
      { success: false, message: expect.any(String) as string, instance: null },
    ]);

    await writeFile(file, whole);
    const again = await init({ force_restart: true });
    expect(await again.json()).toMatchObject({ success: true, instance: { status: 'Running' } });
  });

  it('a stop ends it as well, and the next start counts from zero', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const data = dataOf(tenant.name);
    await rename(data, `${data}.away`);
    const { pid } = await instance(fathom, tenant.name);
    kill(pid, 'SIGKILL');
    const { reason } = await untilInstance(
      fathom,
      tenant.name,
      ({ phase, attempt }) => phase === 'backing_off' && attempt > 3,
      'to be missed',
    );
    expect(reason).toMatchObject({ code: 'data_dir_missing', message: textWith(data) });
    // Never silently created again.
    await expect(readFile(join(data, 'data.db'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fathom.client.databases.restart(tenant.name)).rejects.toMatchObject({
      code: 'instance.failed',
    });
    await expect(readFile(join(data, 'data.db'))).rejects.toMatchObject({ code: 'ENOENT' });

    expect(await fathom.client.databases.stop(tenant.name)).toMatchObject({ phase: 'stopped', attempt: 0 });
    await rename(`${data}.away`, data);
    expect(await fathom.client.databases.start(tenant.name)).toMatchObject({ phase: 'running' });
    await writeAndRead(fathom, tenant, 'still there');
  });
});

describe('commands that cross each other', () => {
  it('of two that contradict, neither waits for ever, and the last one counts', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const { databases } = fathom.client;
    for (let round = 0; round < 3; round += 1) {
      await Promise.allSettled([
        databases.stop(tenant.name),
        databases.start(tenant.name),
        databases.restart(tenant.name),
        databases.stop(tenant.name),
        databases.start(tenant.name),
      ]);
    }
    expect(await databases.restart(tenant.name)).toMatchObject({ phase: 'running', restarts: 0 });
    await writeAndRead(fathom, tenant, 'all the same');
  });
});

describe('what an instance uses', () => {
  it('is published within seconds to a subscriber, and over the API', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const stream = new StreamReader(fathom);
    onTestFinished(() => stream.close());
    await stream.subscribe(1, 'health');
    const { usage } = await untilInstance(
      fathom,
      tenant.name,
      ({ usage: seen }) => seen !== null && seen.cpu_percent !== null,
      'to be sampled twice',
    );
    expect(usage?.pss_bytes).toBeGreaterThan(1024 * 1024);
    expect(usage?.disk_bytes).toBeGreaterThan(64 * 1024);
    expect(usage?.cpu_percent).toBeGreaterThanOrEqual(0);
    expect(usage?.open_connections).toBeGreaterThanOrEqual(0);
    const kinds = new Set(stream.events('health').map(({ kind }) => kind));
    expect(kinds).toContain('instance.usage');
    expect(kinds).toContain('daemon.usage');
  });
});
