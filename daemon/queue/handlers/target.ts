import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Address, mayConnect, parseAllowedTarget } from '../../base/network-targets.ts';

/** The target is neither public nor allowed; a retry would be useless. */
export class TargetRefused extends Error {}

/**
 * Resolves the addresses of a host and checks them. The caller must connect to one of them, because a second lookup may
 * return others.
 *
 * @param allowed entries of QUEUE_ALLOWED_TARGETS
 * @throws TargetRefused, or the error of the lookup
 */
export async function resolveTarget(
  { host, port }: { host: string; port: number },
  allowed: readonly string[],
): Promise<readonly [Address, ...Address[]]> {
  const version = isIP(host);
  const found =
    version === 0
      ? await lookup(host, { all: true, order: 'verbatim' })
      : [{ address: host, family: version }];
  const [first, ...others] = found.map(
    ({ address, family }): Address => ({ address, family: family === 6 ? 6 : 4 }),
  );
  if (first === undefined) throw new Error(`'${host}' has no address`);
  const addresses = [first, ...others] as const;
  const targets = allowed.flatMap((entry) => parseAllowedTarget(entry) ?? []);
  if (mayConnect({ host, port, addresses }, targets)) return addresses;
  throw new TargetRefused(
    `tasks do not connect to '${host}', which is not a public address; an administrator can allow it: QUEUE_ALLOWED_TARGETS=${host}`,
  );
}
