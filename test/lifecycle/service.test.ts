import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Deployment } from '../helpers/deployment.ts';
import { ownerOf, signUp } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { until } from '../helpers/until.ts';

/** The two programs of systemd that the daemon runs: one prints a fixed answer, the other writes down what it received. */
async function systemdOf(fathom: Deployment) {
  const [bin, job, heard] = ['bin', 'job', 'heard'].map((name) => join(fathom.dataDir, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(bin);
  await writeFile(join(bin, 'systemctl'), `#!/bin/sh\ncat '${job}'\n`);
  await writeFile(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$1" >> '${heard}'\n`);
  for (const name of ['systemctl', 'systemd-notify']) await chmod(join(bin, name), 0o755);
  return {
    env: { PATH: `${bin}:${fathom.env['PATH']}`, NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '300000' },
    says: (line: string) => writeFile(job, line),
    heard: async () => (await readFile(heard, 'utf8').catch(() => '')).split('\n'),
  };
}

it('a restart by systemd leaves every instance to the next daemon, a stop ends all', async () => {
  const fathom = await deployment();
  const systemd = await systemdOf(fathom);
  await systemd.says('12 fathomd.service restart running\n');
  const first = await fathom.start(systemd.env);
  const tenant = await signUp(fathom);
  const owner = await ownerOf(fathom, tenant);
  const before = await fleetProcesses(fathom.dataDir);
  await until(async () => (await systemd.heard()).some((text) => /^STATUS=2\D+2\D/.test(text)), {
    what: 'systemd to hear how the fleet does',
  });
  expect(await systemd.heard()).toEqual(expect.arrayContaining(['READY=1', 'WATCHDOG=1']));
  expect(await first.stop(), first.output()).toBe(0);
  expect(await systemd.heard()).toContain('STOPPING=1');
  expect(await fleetProcesses(fathom.dataDir)).toEqual(before);
  await owner.collection('documents').create({ title: 'without a daemon' });

  const second = await fathom.start(systemd.env);
  expect(await fleetProcesses(fathom.dataDir)).toEqual(before);
  await systemd.says('13 fathomd.service stop running\n');
  expect(await second.stop(), second.output()).toBe(0);
  expect(await fleetProcesses(fathom.dataDir)).toEqual([]);
});

it('SIGHUP applies log level, limits and CORS under way; what is not valid changes nothing', async () => {
  const origin = 'https://app.example.com';
  const fathom = await deployment();
  const settings = (text: string) => writeFile(join(fathom.dataDir, '.env'), text, { mode: 0o600 });
  const allowed = async () =>
    (await fetch(`${fathom.url}/health`, { headers: { origin } })).headers.get('access-control-allow-origin');
  const daemon = await fathom.start();
  const [before] = await fleetProcesses(fathom.dataDir);
  expect(await allowed()).toBeNull();

  await settings(
    `CORS_ORIGINS=${origin}\nRATE_LIMIT_PER_MINUTE=1000000\nLOG_LEVEL=debug\nSLEEP_AFTER=30\nPB_HEALTH_INTERVAL=9`,
  );
  daemon.signal('SIGHUP');
  await until(() => daemon.output().includes('PB_HEALTH_INTERVAL'), {
    what: 'the reload',
  });
  expect(await allowed()).toBe(origin);
  expect((await fetch(`${fathom.url}/api/v1/me`)).headers.get('x-ratelimit-limit')).toBe('1000000');
  await signUp(fathom);
  const databases = await fathom.client.databases.all();
  for (const { kind, limits } of databases) expect(limits.sleep_after).toBe(kind === 'user' ? 30 : 0);
  // Steps of a provisioning are logged at `debug`.
  expect(daemon.output()).toContain('"step":"cloned"');

  await settings('CORS_ORIGINS=nonsense');
  daemon.signal('SIGHUP');
  await until(() => daemon.output().includes('CORS_ORIGINS'), { what: 'the refusal' });
  expect(await allowed()).toBe(origin);
  expect((await fleetProcesses(fathom.dataDir))[0]).toEqual(before);
});
