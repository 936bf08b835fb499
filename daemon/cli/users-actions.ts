import type { NewUser, User } from '../../shared/client/fathom-client.ts';
import { type ConnectArguments, connect } from './connect.ts';
import { type CliContext, painter, printJson, printLine } from './context.ts';
import { choosePassword } from './password.ts';
import { printable } from './printable.ts';
import { type Column, formatTable } from './table.ts';

const COLUMNS: readonly Column<User>[] = [
  { title: 'ID', cell: (user) => user.id },
  { title: 'E-MAIL', cell: (user) => user.email },
  { title: 'ROLE', cell: (user) => user.role },
  {
    title: 'ACTIVE',
    cell: (user) => (user.is_active ? 'yes' : 'no'),
    colour: (user) => (user.is_active ? null : 'yellow'),
  },
  { title: 'DATABASE', cell: (user) => user.database },
  { title: 'CREATED', cell: (user) => user.created },
];

export async function listUsers(
  args: ConnectArguments & { json: boolean },
  context: CliContext,
): Promise<number> {
  const users = await connect(args, context).users.all();
  if (args.json) printJson(context, users);
  else printLine(context.stdout, formatTable(users, COLUMNS, painter(context.stdout, context.env)));
  return 0;
}

export interface AddUserArguments extends ConnectArguments {
  email: string;
  name?: string | undefined;
  role: string;
  passwordStdin: boolean;
  json: boolean;
}

export async function addUser(args: AddUserArguments, context: CliContext): Promise<number> {
  const { email, name, role } = args;
  const client = connect(args, context);
  const { password, generated } = await choosePassword(args, context);
  const body: NewUser = { email, password, role, ...(name === undefined ? {} : { name }) };
  const user = await client.users.add(body);
  // The only time that it is shown, and only when nobody knows it yet.
  if (args.json) printJson(context, generated ? { ...user, password } : user);
  else {
    const database = user.database === null ? '' : `, database ${user.database}`;
    printLine(context.stdout, printable(`added ${user.email} (${user.id})${database}`));
    if (generated) printLine(context.stdout, `password: ${password}`);
  }
  return 0;
}
