import type { DatabaseAccessLevel } from '../../../shared/access.ts';
import { allowDaemonAddresses } from '../../pocketbase/data/guard-settings.ts';
import type { Settings } from '../../pocketbase/data/settings.ts';
import type { ForbiddenSection } from './targets.ts';

/**
 * Every address, in networks that only Fathom writes: so they are recognized, and removed when the owner is no developer any
 * more.
 */
const EVERYWHERE: readonly string[] = ['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'];

/**
 * The settings that the access of the owner needs: a developer may sign in from everywhere, and S3 and the mail server are not
 * services of this host or its network.
 *
 * @param options.addresses from which the daemon sends requests
 * @param options.forbidden sections that lead to such a service
 * @returns null when they are correct
 */
export function applyAccess(
  settings: Settings,
  {
    access,
    addresses,
    forbidden,
  }: {
    access: DatabaseAccessLevel;
    addresses: readonly string[];
    forbidden: readonly ForbiddenSection[];
  },
): Settings | null {
  if (access === 'app')
    return allowDaemonAddresses(withoutEverywhere(settings), addresses) ?? changed(settings);
  const superuserIPs = [...EVERYWHERE, ...addresses];
  const isOpen = JSON.stringify(settings['superuserIPs']) === JSON.stringify(superuserIPs);
  if (isOpen && forbidden.length === 0) return null;
  return forbidden.reduce(turnOff, { ...settings, superuserIPs });
}

function changed(settings: Settings): Settings | null {
  const without = withoutEverywhere(settings);
  return without === settings ? null : without;
}

function withoutEverywhere(settings: Settings): Settings {
  const { superuserIPs } = settings;
  const listed: unknown[] = Array.isArray(superuserIPs) ? superuserIPs : [];
  if (!listed.some(isEverywhere)) return settings;
  return { ...settings, superuserIPs: listed.filter((address) => !isEverywhere(address)) };
}

function isEverywhere(address: unknown): boolean {
  return typeof address === 'string' && EVERYWHERE.includes(address);
}

function turnOff(settings: Settings, section: ForbiddenSection): Settings {
  if (section !== 'backups') {
    return { ...settings, [section]: { ...(settings[section] as object), enabled: false } };
  }
  const backups = settings['backups'] as { s3: object };
  return { ...settings, backups: { ...backups, s3: { ...backups.s3, enabled: false } } };
}
