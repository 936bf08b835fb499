import { daemonCommands } from './daemon-commands.ts';
import { databaseCommands } from './databases.ts';
import { hostCommands } from './host-commands.ts';
import { installCommands } from './install-commands.ts';
import { migrationCommands } from './migrations.ts';
import { pocketbaseCommands } from './pocketbase.ts';
import { queueCommands } from './queue.ts';
import { securityCommands } from './security.ts';
import { userCommands } from './users.ts';

/** Every command, in the order of the help. */
export const COMMANDS = [
  ...daemonCommands,
  ...hostCommands,
  ...installCommands,
  ...userCommands,
  ...databaseCommands,
  ...migrationCommands,
  ...queueCommands,
  ...securityCommands,
  ...pocketbaseCommands,
];

export const GROUPS: Readonly<Record<string, string>> = {
  users: 'the people that have a database',
  keys: 'API keys of programs',
  audit: 'who did what',
  secrets: 'what is stored encrypted',
  databases: 'their databases, and the global one',
  migrations: 'what user databases are made from',
  queue: 'tasks over all databases',
  pocketbase: 'which PocketBase is run',
};
