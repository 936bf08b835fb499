import { isAbsolute, join } from 'node:path';
import type { Secrets } from '../keys/escrow.ts';

const HEADER = `# Restored from a backup. Keep a copy in a safe place: without the keys, encrypted data is lost.
`;
const HOST_HEADER = `
# Paths of the host before. Remove the # of those that exist here, too.
`;

/** In the data directory. */
const DEFAULT_TARGET = 'backups';

/**
 * The env file of a restored host: the secrets and settings of the host before. Paths of that host are comments. Backups
 * continue in the store of the host before if it has an address, else in the target of the restore.
 */
export function restoredSettings({
  secrets,
  settings,
  from,
  dataDir,
}: {
  secrets: Secrets;
  settings: Readonly<Record<string, string>>;
  /** As in BACKUP_TARGET. */
  from: string;
  dataDir: string;
}): string {
  const { BACKUP_TARGET: before = from, ...others } = { ...settings, ...secrets };
  const target = isPath(before) ? from : before;
  const all = Object.entries(others);
  // A secret can begin like a path.
  const isComment = ([name, value]: [string, string]) => !(name in secrets) && isPath(value);
  const values = all.filter((one) => !isComment(one));
  if (target !== join(dataDir, DEFAULT_TARGET)) values.push(['BACKUP_TARGET', target]);
  const paths = all.filter(isComment);
  return [
    HEADER,
    ...values.map(([name, value]) => `${line(name, value)}\n`),
    ...(paths.length === 0 ? [] : [HOST_HEADER, ...paths.map(([name, value]) => `#${line(name, value)}\n`)]),
  ].join('');
}

function isPath(value: string): boolean {
  return isAbsolute(value) || /^\.{1,2}(?:\/|$)/.test(value);
}

/** Quoted where an env file needs it. */
function line(name: string, value: string): string {
  if (/^[\w./:@%+=,-]*$/.test(value)) return `${name}=${value}`;
  const quote = ["'", '`', '"'].find((mark) => !value.includes(mark)) ?? "'";
  return `${name}=${quote}${value}${quote}`;
}
