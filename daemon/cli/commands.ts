import { invitationCommands } from './accounts/invitations.ts';
import { mailCommands } from './accounts/mail.ts';
import { securityCommands } from './accounts/security.ts';
import { userCommands } from './accounts/users.ts';
import { backupCommands } from './backups/backup-commands.ts';
import { restoreCommands } from './backups/restore-commands.ts';
import { daemonCommands } from './daemon/daemon-commands.ts';
import { appCommands } from './databases/apps.ts';
import { databaseCommands } from './databases/databases.ts';
import { DERIVED_GROUPS, derivedCommands } from './derived-commands.ts';
import { edgeCommands } from './host/edge-commands.ts';
import { hostCommands } from './host/host-commands.ts';
import { installCommands } from './host/install-commands.ts';
import { nodeCommands } from './host/node-commands.ts';
import { pocketbaseCommands } from './host/pocketbase.ts';
import { queueCommands } from './queue/queue.ts';
import { rolloutCommands } from './rollouts/rollout-commands.ts';

/** Every command, in the order of the help. */
export const COMMANDS = [
  ...daemonCommands,
  ...hostCommands,
  ...installCommands,
  ...edgeCommands,
  ...nodeCommands,
  ...userCommands,
  ...invitationCommands,
  ...mailCommands,
  ...databaseCommands,
  ...backupCommands,
  ...queueCommands,
  ...securityCommands,
  ...derivedCommands,
  ...pocketbaseCommands,
  ...rolloutCommands,
  ...appCommands,
  ...restoreCommands,
];

export const GROUPS: Readonly<Record<string, string>> = {
  ...DERIVED_GROUPS,
  invitations: 'Invite people to sign up',
  users: 'Manage users and their roles',
  mail: 'Check the mail server of accounts',
  edge: 'Configure and run reverse proxies in front of containers and clusters',
  nodes: 'Show, drain and remove the nodes of a cluster',
  alerts: 'Check the channels of alerts',
  keys: 'Manage API keys of programs',
  audit: 'Read and verify the audit log',
  secrets: 'Show and rotate the keys of stored secrets',
  databases: 'Show, start, stop, limit and delete databases',
  backups: 'Make, list and restore backups of databases',
  apps: 'Show and test the applications of user databases',
  migrations: 'Show and apply the migrations of user databases',
  queue: 'Manage tasks and schedules',
  pocketbase: 'Install releases of PocketBase, and change databases to them',
};
