import { chmod, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError } from '../../../../shared/errors.ts';
import { exists } from '../../../base/files/dir.ts';
import { replaceFile } from '../../../base/files/replace-file.ts';
import { generateSecret } from '../../../config/sources/secrets-file.ts';
import { GENERATED_SECRETS } from '../../../config/sources/variables.ts';
import { run } from '../host.ts';
import { ACCOUNT, CREDENTIALS, CURRENT, DATA, ENV_FILE, SETTINGS, SOCKET } from './layout.ts';

const ENV_TEXT = `# Settings of Fathom. ${CURRENT}/.env.sample describes all of them.
# 'systemctl reload fathomd' applies LOG_LEVEL, limits, CORS_ORIGINS and sign-in providers. 'systemctl restart fathomd' applies all.
# Instances keep running in both cases. Do not write secrets here: each secret is a file in ${CREDENTIALS}, named after its setting.
FATHOM_DATA_DIR=${DATA}
FATHOM_SOCKET=${SOCKET}
PB_ADMIN_EMAIL=admin@fathom.local

# 'fathomd install --edge nginx --domain example.com' sets these for a reverse proxy on this host. Set TRUSTED_PROXIES only with
# a proxy: without one, every program of this host could forge the address of a client.
#TRUSTED_PROXIES=127.0.0.1,::1
#PB_PUBLIC_URL=https://{name}.db.example.com
`;

/** Writes the missing files of settings and secrets, and keeps existing ones. @returns the paths of written files */
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
        `${path} is missing, but the data in ${DATA} needs this secret; restore the file from your backup`,
      );
    }
    await replaceFile(path, `${generateSecret(name)}\n`, { mode: 0o600, synced: true });
    written.push(path);
  }
  return written;
}
