import { lookup } from 'node:dns/promises';
import type { Config } from '../config/config.ts';
import { guardSettings, withGuard } from '../pocketbase/data/guard-settings.ts';
import type { ControlPlaneClient } from './client.ts';

const LOOPBACK = ['127.0.0.1', '::1'];

/** Gives the global PocketBase its limits, and whom to believe who a caller is. */
export async function configureGuard(client: ControlPlaneClient, config: Config): Promise<void> {
  const { limits, trustedProxies, bindAddress } = config;
  // Sign-ins through Fathom's API come from the daemon, and are limited there. To one's own address one comes from there.
  const { address } = await lookup(bindAddress);
  const exempt = [...new Set([...LOOPBACK, address])].filter((one) => one !== '0.0.0.0' && one !== '::');
  const guard = guardSettings({ limits, trustedProxies, general: '', exempt });
  await client.call(async (pocketbase) => {
    if (withGuard(await pocketbase.settings.getAll(), guard)) await pocketbase.settings.update(guard);
  });
}
