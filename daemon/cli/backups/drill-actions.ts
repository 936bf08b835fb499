import { resolve } from 'node:path';
import type { Drill } from '../../../shared/api/drills.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { openEscrow } from '../../backups/keys/escrow.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';
import { readRecoveryKeyFile } from './recovery-key-file.ts';

type Result = { database: string; problem: string | null } & Partial<Drill>;

interface EscrowResult {
  bytes: number;
  sha256: string | null;
  /** Whether the recovery key opened it; null without the key. */
  opened: boolean | null;
  problem: string | null;
}

/** Exit 1 when a backup, or the escrow, is not proven. */
export async function drillBackups(
  args: ConnectArguments & { json: boolean; names: string[] | undefined; 'recovery-key': string | undefined },
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const keyFile = args['recovery-key'];
  const key = keyFile === undefined ? null : await readRecoveryKeyFile(resolve(context.cwd, keyFile));
  const given = args.names ?? [];
  const names = given.length > 0 ? given : await findOldest(client);
  const drills: Result[] = [];
  for (const database of names) {
    const result: Result = await client.backups.drill(database).catch((error: unknown) => ({
      database,
      problem: messageOf(error),
    }));
    drills.push(result);
    if (!args.json) print(context, result.problem, lineOf(result));
  }
  const escrow = await checkSecrets(client, key);
  if (args.json) printJson(context, { drills, escrow });
  else if (escrow) print(context, escrow.problem, escrowLine(escrow));
  const problems = [...drills.map(({ problem }) => problem), escrow?.problem ?? null];
  return problems.some((problem) => problem !== null) ? 1 : 0;
}

function print({ stdout, stderr }: CliContext, problem: string | null, line: string): void {
  printLine(problem === null ? stdout : stderr, printable(line));
}

async function findOldest({ backups }: FathomClient): Promise<string[]> {
  const fleet = (await backups.all()).filter(({ last }) => last !== null);
  const [oldest] = fleet.toSorted((a, b) => ((a.drill?.at ?? '') < (b.drill?.at ?? '') ? -1 : 1));
  if (!oldest)
    throw new FathomError('conflict', "there is no backup yet; run 'fathomd backups create --all'");
  return [oldest.database];
}

/** Null without a recovery key of the host. The private half stays in this process. */
async function checkSecrets({ backups }: FathomClient, key: string | null): Promise<EscrowResult | null> {
  try {
    const { sealed, ...found } = await backups.checkEscrow();
    if (key === null || sealed === null) return { ...found, opened: null };
    return { ...found, ...open(sealed, key) };
  } catch (error) {
    if (key === null && error instanceof FathomError && error.code === 'not_found') return null;
    return { bytes: 0, sha256: null, opened: null, problem: messageOf(error) };
  }
}

function open(sealed: string, key: string): { opened: boolean; problem?: string } {
  try {
    const secrets = openEscrow(sealed, key);
    return 'AES_MASTER_KEY' in secrets
      ? { opened: true }
      : { opened: true, problem: 'the secrets have no AES_MASTER_KEY' };
  } catch (error) {
    return { opened: false, problem: messageOf(error) };
  }
}

function lineOf({ database, problem, ...drill }: Result): string {
  if (problem !== null) return `${database}: not proven: ${problem}`;
  const { backup = '', bytes = 0, files = 0, rows = 0, seconds = 0, compared = false } = drill;
  const same = compared ? ', the same as in the database' : '';
  return `${database}: proven: ${backup}, ${byteSize(bytes)} in ${files} files, ${rows} rows${same} (${seconds} s)`;
}

function escrowLine({ problem, bytes, opened }: EscrowResult): string {
  if (problem !== null) return `secrets: not proven: ${problem}`;
  return opened === true
    ? `secrets: proven: the recovery key opens them (${bytes} bytes)`
    : `secrets: stored for the recovery key (${bytes} bytes); --recovery-key FILE proves that it opens them`;
}
