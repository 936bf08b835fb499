import { generateKeyPairSync } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { parsePublicKey, parseSignature } from '../../daemon/host/install/release/minisign.ts';
import { readReleaseKeys, verifySignature } from '../../daemon/host/install/release/signature.ts';
import { formatPublicKey, signRelease } from '../../scripts/sign-release.ts';
import { compareVersions } from '../../shared/version.ts';
import { scratch } from '../helpers/scratch.ts';

async function makeRelease(version = '0.2.0') {
  const directory = await scratch();
  const tarball = join(directory, 'fathom.tgz');
  await writeFile(tarball, 'content of a release');
  const { privateKey } = generateKeyPairSync('ed25519');
  const publicKey = formatPublicKey(privateKey);
  const signature = await signRelease(tarball, version, privateKey);
  return { directory, tarball, signature, publicKey, keys: [parsePublicKey(publicKey)] };
}

function replaceLine(text: string, index: number, line: string): string {
  return text.split('\n').with(index, line).join('\n');
}

describe('the signature of a release', () => {
  it('is accepted with one of several keys, and contains the version', async () => {
    const other = await makeRelease();
    const { tarball, signature, keys } = await makeRelease('1.2.3-rc.1');
    await expect(verifySignature(tarball, signature, [...other.keys, ...keys])).resolves.toBe('1.2.3-rc.1');
  });

  it('is rejected for a changed tarball', async () => {
    const { tarball, signature, keys } = await makeRelease();
    await appendFile(tarball, 'x');
    await expect(verifySignature(tarball, signature, keys)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is rejected with another version in its comment', async () => {
    const { tarball, signature, keys } = await makeRelease('0.2.0');
    const changed = replaceLine(signature, 2, 'trusted comment: fathom 0.3.0');
    await expect(verifySignature(tarball, changed, keys)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is rejected from another key, also one with the same id', async () => {
    const { tarball, signature, keys } = await makeRelease();
    const other = await makeRelease();
    await expect(verifySignature(tarball, signature, other.keys)).rejects.toMatchObject({ code: 'conflict' });
    const sameId = [{ id: keys[0]?.id ?? '', key: other.keys[0]?.key ?? new Uint8Array(32) }];
    await expect(verifySignature(tarball, signature, sameId)).rejects.toMatchObject({ code: 'conflict' });
    await expect(verifySignature(tarball, signature, [])).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is rejected with a comment that names no version', async () => {
    const { tarball, signature, keys } = await makeRelease('latest');
    await expect(verifySignature(tarball, signature, keys)).rejects.toMatchObject({ code: 'conflict' });
  });

  it.each(['', 'text', 'untrusted comment: a\nAAAA\ntrusted comment: fathom 1.0.0\nAAAA\n'])(
    'is rejected when it is malformed: %j',
    async (text) => {
      const { tarball, keys } = await makeRelease();
      await expect(verifySignature(tarball, text, keys)).rejects.toMatchObject({ code: 'conflict' });
    },
  );

  it('has the format of minisign', async (context) => {
    const installed = await execa('minisign', ['-v'], { reject: false });
    if (installed.code === 'ENOENT') context.skip('minisign is not installed');
    const { directory, tarball, signature, publicKey } = await makeRelease();
    await writeFile(`${tarball}.minisig`, signature);
    await writeFile(join(directory, 'key.pub'), publicKey);
    const verified = await execa('minisign', ['-V', '-p', join(directory, 'key.pub'), '-m', tarball]);
    expect(verified.exitCode).toBe(0);

    const own = ['-p', join(directory, 'own.pub'), '-s', join(directory, 'own.key')];
    await execa('minisign', ['-G', '-W', ...own]);
    await execa('minisign', ['-S', '-H', ...own, '-t', 'fathom 0.4.0', '-m', tarball], { input: '\n' });
    const keys = await readReleaseKeys([directory, join(directory, 'missing')]);
    const theirs = await readFile(`${tarball}.minisig`, 'utf8');
    expect(parseSignature(theirs).trustedComment).toBe('fathom 0.4.0');
    await expect(verifySignature(tarball, theirs, keys)).resolves.toBe('0.4.0');
  });
});

it('rejects a directory with an invalid key', async () => {
  const directory = await scratch();
  await writeFile(join(directory, 'a.pub'), 'untrusted comment: x\nAAAA\n');
  await expect(readReleaseKeys([directory])).rejects.toMatchObject({ code: 'conflict' });
});

it('orders versions', () => {
  const ordered = [
    '0.1.0',
    '0.1.1-alpha',
    '0.1.1-alpha.1',
    '0.1.1-alpha.beta',
    '0.1.1-rc.2',
    '0.1.1-rc.10',
    '0.1.1',
    '0.10.0',
    '1.0.0',
  ];
  expect(ordered.toReversed().toSorted(compareVersions)).toEqual(ordered);
  expect(compareVersions('1.2.3', '1.2.3')).toBe(0);
});
