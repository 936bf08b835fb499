import { execaSync } from 'execa';

/** An account without rights, as a service has one. */
export const OTHER_ACCOUNT = 65_534;

/** Runs a program as another account. Needs root. */
export const asAccount = (uid: number): string[] => [
  'setpriv',
  `--reuid=${uid}`,
  `--regid=${uid}`,
  '--clear-groups',
];

/** Why tests cannot run this checkout as another account; null when they can. */
export function otherAccountProblem(): string | null {
  if (process.getuid?.() !== 0) return 'it needs root';
  const [command, ...args] = [...asAccount(OTHER_ACCOUNT), 'test', '-r', import.meta.filename];
  const { failed } = execaSync(command, args, { reject: false });
  return failed ? `other accounts cannot read ${import.meta.dirname}` : null;
}
