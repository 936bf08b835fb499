/**
 * A host platform with Fathom as a part of it: its own sign-in, and the API of Fathom below /fathom.
 *
 *   npm install fathom fastify
 *   node host.ts                      # settings by their names, such as SERVER_PORT=3000
 *   curl -H 'authorization: Bearer johndoe' http://127.0.0.1:8000/fathom/api/v1/me
 */

import { fastify } from 'fastify';
import { createFathom } from 'fathom';

const { FATHOM_DATA_DIR = './fathom-data', HOST_PORT = '8000', ...env } = process.env;
const settings = Object.fromEntries(
  Object.entries(env).filter(([name]) =>
    /^(?:SERVER|PB|AES|JWT|FATHOM|SIGN|DISK|BACKUP|DATABASE)_/.test(name),
  ),
);

const app = fastify({ logger: { level: 'warn', stream: process.stderr } });
const fathom = createFathom({
  ...settings,
  FATHOM_DATA_DIR,
  log: app.log,
  // The sign-in of the host. Here, the token is the name of the user.
  authenticate({ headers }) {
    const [, name] = /^Bearer (\w+)$/.exec(headers.authorization ?? '') ?? [];
    return name === undefined ? null : { email: `${name}@example.com`, name };
  },
  accountSecret: process.env['ACCOUNT_SECRET'] ?? 'only for this example: use a secret of your own',
});

await app.register(fathom.plugin, { prefix: '/fathom' });

// The URL of the own database, and a token for the PocketBase SDK.
app.get('/my-database/:name', async (request) => {
  const { name } = request.params as { name: string };
  const { database } = await fathom.signIn({ email: `${name}@example.com`, name });
  return database;
});

await fathom.start();
await app.listen({ port: Number(HOST_PORT) });
process.once('SIGTERM', () => {
  void app.close().then(() => fathom.stop());
});
