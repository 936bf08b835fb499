import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Finding } from '../../daemon/host/doctor/finding.ts';
import { createClient } from '../../shared/client/fathom-client.ts';
import { fathomd } from '../helpers/fathomd.ts';
import {
  instance,
  kill,
  signUp,
  untilInstance,
  untilReplaced,
  untilRunning,
  writeAndRead,
} from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { textWith } from '../helpers/text-with.ts';

const shared = sharedDeployment({ PB_HEALTH_INTERVAL: '1' });

it('what hangs is replaced after three probes, the global PocketBase too; what comes round before is left alone', async () => {
  const { fathom } = shared;
  const [hung, slow, other] = [await signUp(fathom), await signUp(fathom), await signUp(fathom)];
  const [hungBefore, slowBefore] = [await instance(fathom, hung.name), await instance(fathom, slow.name)];
  const globalBefore = await instance(fathom, 'global');
  const stream = new StreamReader(fathom);
  onTestFinished(() => stream.close());
  await stream.subscribe(1, 'instances');

  kill(hungBefore.pid, 'SIGSTOP');
  kill(globalBefore.pid, 'SIGSTOP');
  kill(slowBefore.pid, 'SIGSTOP');
  onTestFinished(() => {
    for (const { pid } of [hungBefore, slowBefore, globalBefore]) {
      try {
        kill(pid, 'SIGCONT');
      } catch {
        // Ended by now, as it should be.
      }
    }
  });
  const suspected = await untilInstance(
    fathom,
    slow.name,
    ({ phase }) => phase === 'unresponsive',
    'to be found unresponsive',
  );
  expect(suspected).toMatchObject({
    pid: slowBefore.pid,
    reason: {
      code: 'unresponsive',
      message: expect.stringMatching(/[12]\/3.* 2 s/),
    },
    probe: { ok: false },
  });
  kill(slowBefore.pid, 'SIGCONT');

  const replaced = await untilReplaced(fathom, hungBefore);
  expect(replaced).toMatchObject({ restarts: 1, port: hungBefore.port, last_exit: { ended_by: 'fathomd' } });
  const why = stream
    .events('instances')
    .flatMap((event) =>
      event.kind === 'instance.phase' && event.name === hung.name ? [event.instance.reason] : [],
    );
  expect(why).toContainEqual({ code: 'unresponsive', message: textWith(3) });
  await writeAndRead(fathom, hung, 'after');

  const recovered = await untilRunning(fathom, slow.name);
  expect(recovered).toMatchObject({ pid: slowBefore.pid, restarts: 0, reason: null });
  expect(await instance(fathom, other.name)).toMatchObject({ phase: 'running', restarts: 0 });

  expect(await untilReplaced(fathom, globalBefore)).toMatchObject({
    restarts: 1,
    port: globalBefore.port,
  });
  await signUp(fathom);
});

it('a global PocketBase that hangs is not mistaken for a hung daemon: the status is served, and errors name it', async () => {
  const { fathom } = shared;
  const hung = await instance(fathom, 'global');
  kill(hung.pid, 'SIGSTOP');
  const impatient = createClient({ target: { socketPath: fathom.socketPath }, timeoutMs: 5_000 });
  // Together: the daemon replaces the hung process within seconds.
  const listed = impatient.users.list();
  const [status, report] = await Promise.all([
    impatient.daemon.status(),
    fathomd(['doctor', '--json'], { env: fathom.env }),
    expect(listed).rejects.toMatchObject({ code: 'control_plane.unavailable' }),
  ]);
  expect(status).toMatchObject({ ready: true, queue: null });
  expect(JSON.parse(report.stdout)).toContainEqual(expect.objectContaining({ id: 'daemon', level: 'ok' }));
  await untilReplaced(fathom, hung);
});

it('doctor names a suspended daemon, and takes neither its ports nor its instances for those of others', async () => {
  const { fathom } = shared;
  const { pid } = await fathom.client.daemon.status();
  onTestFinished(() => kill(pid, 'SIGCONT'));
  const staging = join(fathom.dataDir, 'user_dbs', '.staging-in-use');
  await mkdir(staging);
  onTestFinished(() => rmdir(staging));
  kill(pid, 'SIGSTOP');
  const { stdout } = await fathomd(['doctor', '--fix', '--json'], { cwd: fathom.dataDir, env: fathom.env });
  const findings = JSON.parse(stdout) as Finding[];
  const wrong = new Set(['unsupervised', 'leftovers', 'port_server_port', 'port_pb_global_port']);
  expect(findings.filter(({ id, level }) => wrong.has(id) && level !== 'ok')).toEqual([]);
  expect(findings.filter(({ id }) => id === 'daemon')).toMatchObject([
    { level: 'fatal', remedy: textWith('kill -CONT', pid) },
  ]);
});
