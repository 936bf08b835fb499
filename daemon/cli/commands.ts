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
  users: 'Manage users and their roles',
  keys: 'Manage API keys of programs',
  audit: 'Read and verify the audit log',
  secrets: 'Show and rotate the keys of stored secrets',
  databases: 'Show, start, stop and delete databases',
  migrations: 'Show the migrations of user databases',
  queue: 'Manage tasks and schedules',
  pocketbase: 'List and install releases of PocketBase',
};
