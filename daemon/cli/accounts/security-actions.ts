import type { ApiKey } from '../../../shared/api/accounts/api-keys.ts';
import type { Permission } from '../../../shared/api/accounts/permissions.ts';
import type { AuditArchiveState, AuditEntry } from '../../../shared/api/audit.ts';
import type { SecretsStatus } from '../../../shared/api/secrets.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import { ApiError } from '../../../shared/client/api-error.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { checkLimit } from '../input/argument-values.ts';
import { UsageError } from '../input/usage-error.ts';
import { userIdOf } from '../input/user-id.ts';
import { printable, printMessage } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

type Arguments = ConnectArguments & { json: boolean };

const KEY_COLUMNS: readonly Column<ApiKey>[] = [
  { title: 'ID', cell: (key) => key.id },
  { title: 'KEY', cell: (key) => `fk_${key.prefix}_…` },
  { title: 'NAME', cell: (key) => key.name, cutTo: 12 },
  { title: 'USER', cell: (key) => key.user_id, hide: 2 },
  { title: 'EXPIRES', cell: (key) => key.expires_at, hide: 1 },
  { title: 'LAST USED', cell: (key) => key.last_used_at, hide: 3 },
  { title: 'PERMISSIONS', cell: (key) => key.permissions.join(' '), cutTo: 16 },
];

const AUDIT_COLUMNS: readonly Column<AuditEntry>[] = [
  { title: 'AT', cell: (entry) => entry.at },
  { title: 'WHO', cell: (entry) => entry.actor || entry.actor_kind, cutTo: 12 },
  { title: 'FROM', cell: (entry) => entry.address, hide: 1 },
  { title: 'ACTION', cell: (entry) => entry.action },
  { title: 'ON', cell: (entry) => entry.target, cutTo: 12 },
  {
    title: 'OUTCOME',
    cell: (entry) => entry.outcome,
    colour: (entry) => (entry.outcome === 'ok' ? null : 'yellow'),
  },
  { title: 'DETAIL', cell: (entry) => entry.detail, cutTo: 12, hide: 2 },
];

export async function listKeys(
  args: ConnectArguments & TableArguments,
  context: CliContext,
): Promise<number> {
  const items = await connect(args, context).apiKeys.all();
  return print(args, context, items, KEY_COLUMNS);
}

export async function addKey(
  args: Arguments & {
    user: string;
    name: string;
    permission?: Permission[] | undefined;
    expires?: string | undefined;
  },
  context: CliContext,
): Promise<number> {
  const { user, name, permission, expires } = args;
  const client = connect(args, context);
  const made = await client.apiKeys.add({
    user_id: await userIdOf(client, user),
    name,
    permissions: permission,
    expires_at: expires,
  });
  // The key is shown only once.
  if (args.json) printJson(context, made);
  else printLine(context.stdout, made.key);
  return 0;
}

export async function revokeKey(args: Arguments & { id: string }, context: CliContext): Promise<number> {
  await connect(args, context).apiKeys.revoke(args.id);
  if (args.json) printJson(context, { revoked: args.id });
  else printLine(context.stdout, printable(`revoked ${args.id}`));
  return 0;
}

export async function listAudit(
  args: ConnectArguments &
    TableArguments & {
      action?: string | undefined;
      actor?: string | undefined;
      target?: string | undefined;
      outcome?: AuditEntry['outcome'] | undefined;
      page: number;
      limit: number;
    },
  context: CliContext,
): Promise<number> {
  const { action, actor, target, outcome, page, limit } = args;
  checkLimit(limit);
  if (!Number.isSafeInteger(page) || page < 1) throw new UsageError('--page needs a whole number from 1');
  const query = { action, actor, target, outcome, page, per_page: limit };
  const client = connect(args, context);
  const { items, total } = await client.audit.list(query);
  const isEnd = page * limit >= total;
  const code = print(args, context, items, AUDIT_COLUMNS);
  if (isEnd && !args.json) await mentionArchive(client, context);
  return code;
}

/** Says where older entries are. */
async function mentionArchive(client: FathomClient, context: CliContext): Promise<void> {
  const archive = await client.audit.archive().catch((error: unknown) => {
    // The daemon of an earlier release has none.
    if (error instanceof ApiError && error.code === 'not_found') return null;
    throw error;
  });
  const to = archive?.files.at(-1)?.to;
  if (archive === null || to === undefined) return;
  printLine(
    context.stderr,
    printable(
      `fathomd: the entries up to number ${to} are in ${archive.directory}; see 'fathomd audit archive'`,
    ),
  );
}

const ARCHIVE_COLUMNS: readonly Column<AuditArchiveState['files'][number]>[] = [
  { title: 'FILE', cell: ({ name }) => name },
  { title: 'FROM', cell: ({ from }) => from },
  { title: 'TO', cell: ({ to }) => to },
  { title: 'SIZE', cell: ({ bytes }) => byteSize(bytes) },
];

export async function showArchive(
  args: ConnectArguments & TableArguments,
  context: CliContext,
): Promise<number> {
  const archive = await connect(args, context).audit.archive();
  if (args.json) {
    printJson(context, archive);
    return 0;
  }
  const { directory, retention_days: days, problem, files } = archive;
  const rule = days === null ? 'entries are not archived' : `entries older than ${days} days are archived`;
  printLine(context.stdout, printable(`${directory}: ${rule}`));
  if (problem !== null) printMessage(context, `entries cannot be archived: ${problem}`);
  if (files.length > 0) printTable(files, ARCHIVE_COLUMNS, args, context);
  return 0;
}

export async function verifyAudit(args: Arguments, context: CliContext): Promise<number> {
  const found = await connect(args, context).audit.verify();
  if (args.json) printJson(context, found);
  else if (found.ok) printLine(context.stdout, `${found.checked} entries, none changed, none missing`);
  else {
    const further = found.defect_count - found.defects.length;
    const lines = found.defects.map(
      ({ kind, from, to }) => `${from === to ? from : `${from}-${to}`}\t${kind}`,
    );
    if (further > 0) lines.push(`and ${further} more ranges`);
    const count = found.defect_count === 1 ? '1 defect' : `${found.defect_count} defects`;
    for (const line of lines) printLine(context.stdout, line);
    printMessage(context, `${found.checked} entries read, ${count}; the first one: ${found.problem}`);
  }
  return found.ok ? 0 : 1;
}

export async function rotateSecrets(args: Arguments, context: CliContext): Promise<number> {
  const result = await connect(args, context).secrets.rotate();
  const { rotated, current, failed } = result;
  if (args.json) printJson(context, result);
  else if (failed === 0) {
    const next = 'AES_PREVIOUS_MASTER_KEY can be removed';
    printLine(context.stdout, `${rotated} rotated, ${current} were current; ${next}`);
  } else
    printMessage(
      context,
      `${rotated} rotated, ${failed} could not be opened; 'fathomd secrets status' names their keys`,
    );
  return failed === 0 ? 0 : 1;
}

export async function showSecrets(
  args: ConnectArguments & TableArguments & { check: boolean },
  context: CliContext,
): Promise<number> {
  const status = await connect(args, context).secrets.status();
  const { current_key, rotating, secrets } = status;
  const left = countOf(secrets.filter(({ key_id, opens }) => opens && key_id !== current_key));
  const closed = countOf(secrets.filter(({ opens }) => !opens));
  const exitCode = args.check && left + closed > 0 ? 1 : 0;
  if (args.json) {
    printJson(context, status);
    return exitCode;
  }
  const columns: readonly Column<SecretsStatus['secrets'][number]>[] = [
    { title: 'TABLE', cell: ({ collection }) => collection },
    { title: 'KEY', cell: ({ key_id }) => key_id },
    { title: 'SECRETS', cell: ({ count }) => String(count) },
    {
      title: 'STATE',
      cell: ({ key_id, opens }) =>
        key_id === current_key ? 'current' : opens ? 'to be rotated' : 'key not configured',
    },
  ];
  printTable(secrets, columns, args, context);
  if (closed > 0) printMessage(context, `${closed} cannot be opened: 'fathomd doctor' looks for their key`);
  if (rotating) printLine(context.stdout, `a rotation is running, ${left} are left`);
  else if (left > 0) printMessage(context, `${left} need an earlier key: run 'fathomd secrets rotate'`);
  return exitCode;
}

function countOf(secrets: SecretsStatus['secrets']): number {
  return secrets.reduce((sum, { count }) => sum + count, 0);
}

function print<T>(
  args: TableArguments,
  context: CliContext,
  items: T[],
  columns: readonly Column<T>[],
): number {
  if (args.json) printJson(context, items);
  else printTable(items, columns, args, context);
  return 0;
}
