import { command, SETTINGS_OPTIONS } from '../command.ts';
import { CERTIFICATE, DOMAIN } from './install-commands.ts';

const ENV_FILE = { 'env-file': SETTINGS_OPTIONS['env-file'] } as const;

const HAPROXY = {
  directory: {
    type: 'string',
    requiresArg: true,
    default: '/var/lib/fathom-edge',
    describe: 'Directory with the files that HAProxy reads',
  },
  'haproxy-socket': {
    type: 'string',
    requiresArg: true,
    default: '/run/haproxy/admin.sock',
    describe: 'Admin socket of HAProxy',
  },
  ...ENV_FILE,
} as const;

/** Commands for reverse proxies that are no service of this host. */
export const edgeCommands = [
  command({
    words: ['edge', 'nginx'],
    summary: 'Print the configuration of nginx for a container that is the reverse proxy of another one',
    options: {
      domain: { ...DOMAIN, demandOption: true },
      ...CERTIFICATE,
      ...ENV_FILE,
    },
    async run(args, context) {
      const actions = await import('./install-actions.ts');
      return actions.printEdge(args, context);
    },
  }),
  command({
    words: ['edge', 'haproxy'],
    summary: 'Print the configuration of HAProxy in front of all nodes of a cluster, and write its files',
    options: {
      certificate: {
        type: 'string',
        requiresArg: true,
        describe: 'Certificate chain with its key, in one PEM file; without it, there is no TLS',
      },
      user: {
        type: 'string',
        requiresArg: true,
        default: 'haproxy',
        describe: 'Account that HAProxy runs as; none for the one that starts it',
      },
      'http-port': { type: 'number', requiresArg: true, default: 80, describe: 'Port without TLS' },
      'https-port': { type: 'number', requiresArg: true, default: 443, describe: 'Port with TLS' },
      ...HAPROXY,
    },
    async run(args, context) {
      const actions = await import('./edge-actions.ts');
      return actions.printHaproxy(args, context);
    },
  }),
  command({
    words: ['edge', 'run'],
    summary: 'Keep the routes of HAProxy as the nodes of a cluster serve, until it is stopped',
    options: HAPROXY,
    async run(args, context) {
      const actions = await import('./edge-actions.ts');
      return actions.runClusterEdge(args, context);
    },
  }),
];
