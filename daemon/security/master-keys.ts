import { keyId } from './derived-keys.ts';
import type { MasterKey, MasterKeys } from './envelope.ts';

/** The configured master key, and the one before it while what that one sealed is not rotated yet. */
export function masterKeysOf(config: {
  aesMasterKey: Uint8Array;
  previousAesMasterKey: Uint8Array | null;
}): MasterKeys {
  const { aesMasterKey, previousAesMasterKey } = config;
  return [named(aesMasterKey), ...(previousAesMasterKey ? [named(previousAesMasterKey)] : [])];
}

function named(key: Uint8Array): MasterKey {
  return { id: keyId(key), key };
}
