import { execa } from 'execa';
import type { Deployment } from '../helpers/deployment.ts';
import type { Host } from './network.ts';

const SCRIPT = `
const [url, identity, password, network] = process.argv.slice(1);
const headers = { 'content-type': 'application/json' };
const body = JSON.stringify({ identity, password });
const signIn = url + '/api/collections/_superusers/auth-with-password';
const { token } = await (await fetch(signIn, { method: 'POST', headers, body })).json();
const settings = url + '/api/settings';
const { superuserIPs } = await (await fetch(settings, { headers: { authorization: token } })).json();
const changed = JSON.stringify({ superuserIPs: [...superuserIPs, network] });
const answer = await fetch(settings, { method: 'PATCH', headers: { ...headers, authorization: token }, body: changed });
if (!answer.ok) throw new Error(await answer.text());
`;

/** Allows superusers of the global PocketBase from a network, as an administrator does for members. */
export async function allowMembers(
  { env, admin }: Deployment,
  { address, within }: Host,
  network: string,
): Promise<void> {
  const url = `http://${address}:${env['PB_GLOBAL_PORT']}`;
  const node = [
    process.execPath,
    '--input-type=module',
    '-e',
    SCRIPT,
    url,
    admin.email,
    admin.password,
    network,
  ];
  const [program, ...words] = [...within, ...node] as [string, ...string[]];
  await execa(program, words);
}
