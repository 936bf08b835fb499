import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { DirectoryTarget } from '../targets/directory-target.ts';
import { checkTargetId, identifyTarget, readTargetHost, readTargetId } from './target-identity.ts';

const [FIRST, SECOND] = [
  '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a10',
  '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a11',
] as const;
const [DAEMON, OTHER_DAEMON] = [
  '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a20',
  '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a21',
] as const;
const UNUSED = { daemon: DAEMON, isFirst: true, restoredFrom: null, expected: null, isAccepted: false };

let target: DirectoryTarget;
beforeEach(async () => {
  target = new DirectoryTarget(join(await scratch(), 'target'));
});

it('gives a target to the host that uses it first, and refuses others', async () => {
  const id = await identifyTarget(target, { ...UNUSED, host: FIRST });
  const refused = { reason: 'target_foreign', message: expect.stringContaining(FIRST) as string };
  await expect(identifyTarget(target, { ...UNUSED, host: SECOND })).rejects.toMatchObject(refused);
  await expect(readTargetId(target, { host: SECOND, daemon: DAEMON })).rejects.toMatchObject(refused);
  // Its state was lost, or is complete.
  for (const expected of [null, id])
    expect(await identifyTarget(target, { ...UNUSED, host: FIRST, expected })).toBe(id);
});

it('moves a target to the host that accepts it', async () => {
  const id = await identifyTarget(target, { ...UNUSED, host: FIRST });
  expect(await identifyTarget(target, { ...UNUSED, host: SECOND, isAccepted: true })).toBe(id);
  expect(await readTargetHost(target)).toBe(SECOND);
  await expect(identifyTarget(target, { ...UNUSED, host: FIRST, expected: id })).rejects.toMatchObject({
    reason: 'target_foreign',
  });
  await expect(checkTargetId(target, { host: FIRST, daemon: DAEMON }, id)).rejects.toMatchObject({
    reason: 'target_foreign',
  });
});

it('names the host that was restored', async () => {
  await identifyTarget(target, { ...UNUSED, host: FIRST });
  await expect(
    identifyTarget(target, { ...UNUSED, host: SECOND, restoredFrom: FIRST }),
  ).rejects.toMatchObject({
    reason: 'target_foreign',
    message: expect.stringContaining('restored') as string,
  });
});

it('gives a target to the last of two daemons with the same host, and refuses the other until it is accepted', async () => {
  const [own, copy] = [
    { ...UNUSED, host: FIRST },
    { ...UNUSED, host: FIRST, daemon: OTHER_DAEMON },
  ];
  const id = await identifyTarget(target, own);
  expect(await identifyTarget(target, { ...copy, expected: id })).toBe(id);
  const refused = { reason: 'target_foreign', remedy: textWith('backup-host.json', 'accept-target') };
  const again = { ...own, isFirst: false, expected: id };
  await expect(identifyTarget(target, again)).rejects.toMatchObject(refused);
  await expect(readTargetId(target, own)).rejects.toMatchObject(refused);
  expect(await readTargetId(target, copy)).toBe(id);
  expect(await identifyTarget(target, { ...again, isAccepted: true })).toBe(id);
  await expect(readTargetId(target, copy)).rejects.toMatchObject(refused);
  expect(await identifyTarget(target, again)).toBe(id);
});

it('adopts a target of an earlier version once', async () => {
  await target.put('fathom.json', Buffer.from(JSON.stringify({ format: 1, id: SECOND, host: FIRST })));
  expect(await identifyTarget(target, { ...UNUSED, host: FIRST, expected: SECOND })).toBe(SECOND);
  expect(await readTargetId(target, { host: FIRST, daemon: DAEMON })).toBe(SECOND);
  await target.put('fathom.json', Buffer.from(JSON.stringify({ format: 1, id: SECOND })));
  expect(await readTargetHost(target)).toBeNull();
  expect(await identifyTarget(target, { ...UNUSED, host: FIRST, expected: SECOND })).toBe(SECOND);
  expect(await readTargetHost(target)).toBe(FIRST);
});

it('gives a target that two hosts mark at the same time to one of them', async () => {
  const hosts = [FIRST, SECOND, '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a12'];
  await Promise.allSettled(hosts.map((host) => identifyTarget(target, { ...UNUSED, host })));
  const owner = await readTargetHost(target);
  const may = await Promise.allSettled(hosts.map((host) => identifyTarget(target, { ...UNUSED, host })));
  expect(hosts.filter((_, at) => may[at]?.status === 'fulfilled')).toEqual([owner]);
});
