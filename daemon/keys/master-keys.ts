import { FathomError } from '../../shared/errors.ts';
import { keyId } from './derived-keys.ts';
import { type MasterKey, type MasterKeys, seal } from './envelope.ts';

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

/** How many stored secrets each master key has sealed, by the id of the key. */
export type KeyUse = ReadonlyMap<string, number>;

export interface KeyFit {
  /** Stored secrets that a configured key opens. */
  opened: number;
  /** Keys that stored secrets need and that are not configured. */
  missing: readonly { id: string; count: number }[];
}

export function fitOf(masters: readonly MasterKey[], use: KeyUse): KeyFit {
  const configured = new Set(masters.map(({ id }) => id));
  let opened = 0;
  const missing: { id: string; count: number }[] = [];
  for (const [id, count] of use) {
    if (configured.has(id)) opened += count;
    else missing.push({ id, count });
  }
  return { opened, missing };
}

/** A wrong key: there are secrets, and no configured key opens any of them. */
export function opensNothing({ opened, missing }: KeyFit): boolean {
  return opened === 0 && missing.length > 0;
}

/** `12 stored secrets need the key 1a2b3c4d` */
export function describeMissing(missing: KeyFit['missing']): string {
  return missing.map(({ id, count }) => `${secrets(count)} the key ${id}`).join(', ');
}

function secrets(count: number): string {
  return count === 1 ? 'one stored secret needs' : `${count} stored secrets need`;
}

/** Seals one value for the row that it belongs to. @throws FathomError `secret.undecryptable` */
export type Seal = (plaintext: Uint8Array, belongsTo: string) => string;

/**
 * Seals with the first key, and refuses to while the configured keys open none of the secrets that are stored: what a wrong
 * key sealed would be lost with that key.
 *
 * @param storedUse the stored secrets as they are now; null while there is no database
 */
export function guardedSeal(masters: MasterKeys, storedUse: () => KeyUse | null): Seal {
  return (plaintext, belongsTo) => {
    const use = storedUse();
    const fit = use && fitOf(masters, use);
    if (fit && opensNothing(fit)) {
      throw new FathomError(
        'secret.undecryptable',
        `nothing is sealed with AES_MASTER_KEY (key ${masters[0].id}), as it opens no stored secret: ${describeMissing(fit.missing)}; put that key back, 'fathomd doctor' looks for it`,
      );
    }
    return seal(masters[0], plaintext, belongsTo);
  };
}
