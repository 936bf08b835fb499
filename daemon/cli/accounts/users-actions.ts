import type { Role } from '../../../shared/api/accounts/permissions.ts';
import type { User } from '../../../shared/api/accounts/users.ts';
import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { userDeletionConsequences } from '../../../shared/deletion.ts';
import { FathomError } from '../../../shared/errors.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { trashText } from '../databases/databases-actions.ts';
import { choosePassword, readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { userIdOf } from '../input/user-id.ts';
import { printable, printMessage } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

const COLUMNS: readonly Column<User>[] = [
  { title: 'ID', cell: (user) => user.id },
  { title: 'E-MAIL', cell: (user) => user.email, cutTo: 16 },
  { title: 'ROLE', cell: (user) => user.role },
  {
    title: 'ACTIVE',
    cell: (user) => (user.is_active ? 'yes' : 'no'),
    colour: (user) => (user.is_active ? null : 'yellow'),
  },
  { title: 'VERIFIED', cell: (user) => (user.verified ? 'yes' : 'no'), hide: 1 },
  { title: 'PLAN', cell: (user) => user.plan, hide: 3 },
  { title: 'DATABASE', cell: (user) => user.database, hide: 1 },
  { title: 'CREATED', cell: (user) => user.created, hide: 2 },
];

export async function listUsers(
  args: ConnectArguments & TableArguments,
  context: CliContext,
): Promise<number> {
  const users = await connect(args, context).users.all();
  if (args.json) printJson(context, users);
  else printTable(users, COLUMNS, args, context);
  return 0;
}

/** @throws UsageError if the text is not NAME=VALUE */
function fieldOf(text: string): [string, string] {
  const [name = '', ...value] = text.split('=');
  if (name !== '' && value.length > 0) return [name, value.join('=')];
  throw new UsageError(`--field needs NAME=VALUE, not '${text}'`);
}

export interface AddUserArguments extends ConnectArguments {
  email: string;
  name?: string | undefined;
  role: Role;
  plan?: string | undefined;
  field?: string[] | undefined;
  verified: boolean;
  passwordStdin: boolean;
  json: boolean;
}

export async function addUser(args: AddUserArguments, context: CliContext): Promise<number> {
  const { email, name, role, plan, verified } = args;
  const further = Object.fromEntries((args.field ?? []).map(fieldOf));
  const client = connect(args, context);
  const { password, generated } = await choosePassword(args, context);
  const user = await client.users.add({ ...further, email, password, role, plan, name, verified });
  // A generated password is shown once.
  if (args.json) printJson(context, generated ? { ...user, password } : user);
  else {
    const database = user.database === null ? whyNoDatabase(user) : `, database ${user.database}`;
    printMessage(context, `added ${user.email} (${user.id})${database}`);
    if (generated) printLine(context.stdout, `password: ${password}`);
  }
  return 0;
}

function whyNoDatabase({ role, verified, email }: User): string {
  if (role !== 'user' || verified) return '';
  return `; it gets a database when the e-mail address is proved: 'fathomd users set ${email} --verified'`;
}

function activity({ is_active, erase_at, database }: User): string {
  if (erase_at) return `no: deleted, erased on ${erase_at}; 'fathomd databases undelete ${database}'`;
  return is_active ? 'yes' : 'no: locked out, its data is kept';
}

type OneUser = ConnectArguments & { user: string; json: boolean };

export async function showUser(args: OneUser, context: CliContext): Promise<number> {
  const client = connect(args, context);
  const user = await client.users.get(await userIdOf(client, args.user));
  if (args.json) printJson(context, user);
  else for (const line of userLines(user)) printLine(context.stdout, printable(line));
  return 0;
}

function userLines(user: User): string[] {
  const fields: [string, string][] = [
    ['e-mail', user.email],
    ['id', user.id],
    ['name', user.name || '–'],
    ['role', user.role],
    ['plan', user.plan],
    ['active', activity(user)],
    ['verified', user.verified ? 'yes' : 'no: the e-mail address is not proved'],
    ['database', user.database ?? '–'],
    ['created', user.created],
  ];
  return fields.map(([name, value]) => `${name.padEnd(10)}${value}`);
}

export async function setUser(
  args: OneUser & {
    role?: Role | undefined;
    plan?: string | undefined;
    active?: boolean | undefined;
    verified?: boolean | undefined;
  },
  context: CliContext,
): Promise<number> {
  const { role, plan, active, verified } = args;
  if (role === undefined && plan === undefined && active === undefined && verified === undefined) {
    throw new UsageError('nothing to set; name --role, --plan, --active, --no-active or --verified');
  }
  const client = connect(args, context);
  const user = await client.users.update(await userIdOf(client, args.user), {
    role,
    plan,
    is_active: active,
    verified,
  });
  if (args.json) printJson(context, user);
  else {
    const state = user.is_active ? 'active' : 'not active: locked out, its data is kept';
    printLine(
      context.stdout,
      printable(`${user.email} (${user.id}) is ${user.role}, has the plan ${user.plan} and is ${state}`),
    );
  }
  return 0;
}

export async function signOutUser(args: OneUser & { keys: boolean }, context: CliContext): Promise<number> {
  const client = connect(args, context);
  // Checks that the user exists: the API would sign out any id.
  const { id, email } = await client.users.get(await userIdOf(client, args.user));
  await client.sessions.endAll({ user_id: id, keys: args.keys });
  const rest = args.keys ? 'API keys are revoked' : 'API keys stay';
  if (args.json) printJson(context, { signed_out: id, keys_revoked: args.keys });
  else printLine(context.stdout, printable(`${email} (${id}) is signed out everywhere; ${rest}`));
  return 0;
}

export async function sendVerificationMail(args: OneUser, context: CliContext): Promise<number> {
  const client = connect(args, context);
  const { id, email } = await client.users.get(await userIdOf(client, args.user));
  await client.users.verifyMail(id);
  if (args.json) printJson(context, { mailed: id, email });
  else printLine(context.stdout, printable(`the mail server has taken the mail to ${email}`));
  return 0;
}

/** Deletes a user after the caller has typed the e-mail address. */
export async function deleteUser(args: OneUser, context: CliContext): Promise<number> {
  const client = connect(args, context);
  const { id, email, database } = await client.users.get(await userIdOf(client, args.user));
  const { trash }: Partial<DaemonStatus> = await client.daemon.status();
  const days = trash?.days ?? 0;
  const instance = database === null ? null : await describeDatabase(client, database);
  const question = [...userDeletionConsequences(email, instance, days), `Type '${email}' to delete it: `];
  if ((await readConfirmation(question.map(printable).join('\n'), context)) !== email) {
    throw new UsageError(`that is not '${email}'; nothing was deleted`);
  }
  await client.users.delete(id);
  if (args.json) {
    printJson(context, { deleted: id, database });
    return 0;
  }
  const gone = database === null ? '' : `, and the database ${database}`;
  const kept = database === null || days === 0 ? '' : `; ${trashText(database, days)}`;
  printLine(context.stdout, printable(`${email} (${id}) is deleted${gone}${kept}`));
  return 0;
}

/** Without its size when it is in the trash already. */
async function describeDatabase(
  client: FathomClient,
  name: string,
): Promise<Pick<Instance, 'name' | 'usage'>> {
  try {
    return await client.databases.get(name);
  } catch (error) {
    if (error instanceof FathomError && error.code === 'database.deleted') return { name, usage: null };
    throw error;
  }
}
