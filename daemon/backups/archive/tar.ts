import { BackupProblem } from '../backup-problem.ts';

const BLOCK = 512;
const MAX_NAME_BYTES = 100;
/** Of a number with eleven octal digits. */
const MAX_OCTAL = 8 ** 11 - 1;
const MODE = 0o600;

export interface TarEntry {
  /** Parts separated by `/`. */
  path: string;
  bytes: number;
  modified: Date;
}

/**
 * The header of a regular file in a tar archive: POSIX.1-2001, which GNU tar, bsdtar and Python read. Long or unusual names and
 * sizes of more than 8 GiB are in an extended header before it.
 *
 * @throws BackupProblem for a path that leads out of the directory into which it is unpacked
 */
export function tarHeader({ path, bytes, modified }: TarEntry): Buffer {
  const name = safeName(path);
  const seconds = Math.max(0, Math.floor(modified.getTime() / 1000));
  const records = [
    ...(Buffer.byteLength(name) > MAX_NAME_BYTES || !isAscii(name) ? [record('path', name)] : []),
    ...(bytes > MAX_OCTAL ? [record('size', String(bytes))] : []),
  ];
  const header = block({ name, bytes: Math.min(bytes, MAX_OCTAL), seconds, type: '0' });
  if (records.length === 0) return header;
  const extended = Buffer.concat(records);
  return Buffer.concat([
    block({ name: 'PaxHeader', bytes: extended.length, seconds, type: 'x' }),
    extended,
    tarPadding(extended.length),
    header,
  ]);
}

/** What follows the content of a file. */
export function tarPadding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
}

/** What follows the last file. */
export const TAR_END: Readonly<Buffer> = Buffer.alloc(2 * BLOCK);

/** Size of a file in an archive. */
export function tarBytesOf(entry: TarEntry): number {
  return tarHeader(entry).length + entry.bytes + tarPadding(entry.bytes).length;
}

/**
 * A name that has the same meaning on every system: Windows takes a backslash for a separator, and a colon for a drive. Control
 * characters would reach the terminal of the reader.
 */
function safeName(path: string): string {
  const parts = path.split('/');
  if (parts.some((part) => ['', '.', '..'].includes(part)))
    throw new BackupProblem(`the backup has the path '${path}', which Fathom does not write`);
  // oxlint-disable-next-line no-control-regex -- these are what is replaced
  return path.replace(/[\u0000-\u001F\u007F\\:%]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase();
    return `%${code.padStart(2, '0')}`;
  });
}

function isAscii(text: string): boolean {
  return /^[\u0020-\u007E]*$/.test(text);
}

/** `LENGTH NAME=VALUE\n`; the length includes its own digits. */
function record(name: string, value: string): Buffer {
  const rest = Buffer.from(` ${name}=${value}\n`);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function block({
  name,
  bytes,
  seconds,
  type,
}: {
  name: string;
  bytes: number;
  seconds: number;
  type: '0' | 'x';
}): Buffer {
  const header = Buffer.alloc(BLOCK);
  // A longer one is in the extended header.
  Buffer.from(name).copy(header, 0, 0, MAX_NAME_BYTES);
  header.write(octal(MODE, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(bytes, 11), 124);
  header.write(octal(Math.min(seconds, MAX_OCTAL), 11), 136);
  header.write(' '.repeat(8), 148);
  header.write(type, 156);
  header.write('ustar\u000000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\u0000 `, 148, 'latin1');
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
