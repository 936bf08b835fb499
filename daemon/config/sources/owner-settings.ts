import { DATABASE_ACCESS } from '../../../shared/access.ts';
import type { Setting } from './setting.ts';

/** What owners may use in their databases. */
export const OWNER_SETTINGS = {
  OWNER_ACCESS: {
    type: 'choice',
    group: 'instances',
    about:
      'What owners may use in their databases: records (app), or everything as a superuser, with the dashboard (developer). ' +
      "'fathomd databases set NAME --access' sets that of one database. developer needs the sandbox level full.",
    default: 'app',
    choices: DATABASE_ACCESS,
  },
  OWNER_ALLOWED_TARGETS: {
    type: 'list',
    group: 'instances',
    about:
      'Hosts and networks that are not public, and hosts with other ports, to which S3, mail and sign-in providers of a ' +
      "developer's database may lead, like s3.example.com:9000 or 10.0.0.0/8.",
  },
} as const satisfies Record<string, Setting>;
