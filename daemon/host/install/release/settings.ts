import { chmod, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError } from '../../../../shared/errors.ts';
import { exists } from '../../../base/files/dir.ts';
import { replaceFile } from '../../../base/files/replace-file.ts';
import { generateSecret } from '../../../config/sources/secrets-file.ts';
import { GENERATED_SECRETS } from '../../../config/sources/variables.ts';
import { run } from '../host.ts';
import { ACCOUNT, CREDENTIALS, CURRENT, DATA, ENV_FILE, SETTINGS, SOCKET } from './layout.ts';

const ENV_TEXT = `# Settings of this Fathom; every one there is: ${CURRENT}/.env.sample
# 'systemctl reload fathomd' applies LOG_LEVEL, limits, CORS_ORIGINS and sign-in providers, 'systemctl restart fathomd' all.
# Instances go on through both. Secrets do not belong here: each is a file in ${CREDENTIALS}, named after its setting.
FATHOM_DATA_DIR=${DATA}
FATHOM_SOCKET=${SOCKET}
PB_ADMIN_EMAIL=admin@fathom.local

# A reverse proxy on this host, as in ${CURRENT}/docs/nginx.conf: its X-Forwarded-For is believed.
TRUSTED_PROXIES=127.0.0.1,::1
# What users are given as the address of their database.
#PB_PUBLIC_URL=https://{name}.db.example.com
`;

/** Writes what is missing and touches nothing that is there. @returns the paths that were written */
export async function writeSettings(): Promise<string[]> {
  const written: string[] = [];
  await mkdir(SETTINGS, { recursive: true });
  await run('chgrp', [ACCOUNT, SETTINGS]);
  await chmod(SETTINGS, 0o750);
  if (!(await exists(ENV_FILE))) {
    const { gid } = await stat(SETTINGS);
    await replaceFile(ENV_FILE, ENV_TEXT, { mode: 0o640, gid, synced: true });
    written.push(ENV_FILE);
  }
  await mkdir(CREDENTIALS, { recursive: true, mode: 0o700 });
  for (const name of GENERATED_SECRETS) {
    const path = join(CREDENTIALS, name);
    if (await exists(path)) continue;
    if (await exists(join(DATA, 'global', 'pb_data'))) {
      throw new FathomError(
        'conflict',
        `${path} is missing, but what lies in ${DATA} was made with it; put it back from your backup`,
      );
    }
    await replaceFile(path, `${generateSecret(name)}\n`, { mode: 0o600, synced: true });
    written.push(path);
  }
  return written;
}
