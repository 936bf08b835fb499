import { command } from '../command.ts';

export const DOMAIN = {
  type: 'string',
  requiresArg: true,
  describe: 'Domain of the site: api.DOMAIN, auth.DOMAIN and NAME.db.DOMAIN',
} as const;

export const CERTIFICATE = {
  certificate: {
    type: 'string',
    requiresArg: true,
    describe: 'Certificate chain for these names (default /etc/letsencrypt/live/DOMAIN/fullchain.pem)',
  },
  'certificate-key': {
    type: 'string',
    requiresArg: true,
    describe: 'Its key (default /etc/letsencrypt/live/DOMAIN/privkey.pem)',
  },
} as const;

/** Commands that install Fathom as a service of this host; for root. */
export const installCommands = [
  command({
    words: ['install'],
    summary: 'Install this package as a systemd service, and the site of a reverse proxy',
    options: {
      edge: {
        type: 'string',
        choices: ['nginx', 'caddy', 'none'] as const,
        requiresArg: true,
        describe: 'Reverse proxy whose site is written; none removes the site',
      },
      domain: DOMAIN,
      ...CERTIFICATE,
    },
    async run(args, context) {
      const actions = await import('./install-actions.ts');
      return actions.install(args, context);
    },
  }),
  command({
    words: ['upgrade'],
    summary: 'Install another release; go back if it does not become ready or ends within 20 seconds',
    positionals: {
      tarball: {
        type: 'string',
        demandOption: true,
        describe: 'Signed package; its signature is TARBALL.minisig',
      },
    },
    options: {
      'allow-unsigned': {
        type: 'boolean',
        default: false,
        describe: 'Do not verify the signature: root runs the tarball as it is. For your own builds',
      },
      'allow-downgrade': {
        type: 'boolean',
        default: false,
        describe: 'Accept a version that is older than the installed one',
      },
      cluster: {
        type: 'boolean',
        default: false,
        describe:
          'Drain this node of a cluster before, and undrain it when the new release runs. Run it on one node after the other',
      },
    },
    async run(args, context) {
      const actions = await import('./install-actions.ts');
      return actions.upgrade(args, context);
    },
  }),
  command({
    words: ['rollback'],
    summary: 'Go back to the release that was installed before',
    async run(_args, context) {
      const actions = await import('./install-actions.ts');
      return actions.rollback(context);
    },
  }),
  command({
    words: ['uninstall'],
    summary: 'Stop all databases and remove the program; keep the data',
    options: {
      purge: { type: 'boolean', default: false, describe: 'Remove all data, settings and secrets as well' },
    },
    async run(args, context) {
      const actions = await import('./install-actions.ts');
      return actions.uninstall(args, context);
    },
  }),
];
