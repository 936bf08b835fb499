import { expect, it } from 'vitest';
import { checksumOf } from './release-sources.ts';

const NAME = 'pocketbase_0.40.6_linux_amd64.zip';
const SHA256 = '0f3442d2e57b03b56fbff0d09289e4a30b4f561a44338c38d2dcd4a1a0cfa91e';

it.each([
  ['sha256sum', `${'0'.repeat(64)}  other.zip\n${SHA256}  ${NAME}\n`],
  ['sha256sum --binary', `${SHA256} *${NAME}\n`],
  ['sha256sum --tag', `SHA256 (${NAME}) = ${SHA256}\n`],
  ['sha256sum ./*', `${SHA256}  ./${NAME}\n`],
  ['another system', `\uFEFF${SHA256.toUpperCase()}  ${NAME}\r\n`],
])('reads the checksum that %s writes', (_program, text) => {
  expect(checksumOf(NAME, text)).toBe(SHA256);
});

it.each([
  ['of another file', `${SHA256}  ${NAME}.asc\n`],
  ['of another directory', `${SHA256}  v0.40.6/${NAME}\n`],
  ['of another kind', `${SHA256.slice(24)}  ${NAME}\n`],
  ['in a page', `<p>${SHA256}  ${NAME}</p>\n`],
])('takes no checksum %s', (_what, text) => {
  expect(checksumOf(NAME, text)).toBeNull();
});
