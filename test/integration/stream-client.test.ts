import { expect, it, onTestFinished } from 'vitest';
import { FleetStream } from '../../shared/client/stream.ts';
import { openSocket } from '../../shared/client/stream-socket.ts';
import type { EventFrame, SnapshotFrame } from '../../shared/server-frames.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';

it('a console lives through kill -9 and the next start of the daemon: stale, then whole again', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const tenant = await signUp(fathom);
  const links: string[] = [];
  const phases = new Map<string, string>();
  let snapshots = 0;
  const apply = (frame: SnapshotFrame | EventFrame) => {
    if (frame.type === 'snapshot') {
      if (frame.topic !== 'instances') return;
      snapshots += 1;
      phases.clear();
      for (const { name, phase } of frame.data) phases.set(name, phase);
    } else if ('instance' in frame.event) phases.set(frame.event.instance.name, frame.event.instance.phase);
    else if (frame.event.kind === 'instance.removed') phases.delete(frame.event.name);
  };
  const stream = new FleetStream({
    open: (listener) => openSocket({ target: { socketPath: fathom.socketPath } }, listener),
    topics: ['instances', `logs:${tenant.name}`],
    onLink: ({ kind }) => {
      if (links.at(-1) !== kind) links.push(kind);
    },
    onSnapshot: apply,
    onEvent: apply,
    onTopicRefused: (topic) => stream.subscribe(topic),
  });
  onTestFinished(() => stream.close());
  stream.start();
  await until(() => stream.state.kind === 'live', { what: 'the link' });
  expect([...phases]).toEqual(
    expect.arrayContaining([
      ['global', 'running'],
      [tenant.name, 'running'],
    ]),
  );

  daemon.signal('SIGKILL');
  await daemon.exited;
  await until(() => stream.state.kind === 'stale', { what: 'the loss to be noticed' });
  // What was known stays to be seen.
  expect(phases.get(tenant.name)).toBe('running');
  await fathom.start();
  await until(() => stream.state.kind === 'live', { what: 'the link to be back' });
  expect(snapshots).toBeGreaterThanOrEqual(2);
  await fathom.client.databases.stop(tenant.name);
  await until(() => phases.get(tenant.name) === 'stopped', { what: 'the stop to be published' });
  expect(links).toEqual(expect.arrayContaining(['live', 'stale', 'live']));
  stream.close();
  expect(stream.state.kind).toBe('closed');
});
