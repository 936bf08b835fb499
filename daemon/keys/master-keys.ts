import { FathomError } from '../../shared/errors.ts';
import { keyId } from './derived-keys.ts';
import { type MasterKey, type MasterKeys, seal } from './envelope.ts';

/** The configured master keys: the current one, then the previous one if it is configured. */
export function masterKeysOf(config: {
  aesMasterKey: Uint8Array;
  previousAesMasterKey: Uint8Array | null;
}): MasterKeys {
  const { aesMasterKey, previousAesMasterKey } = config;
  return [withId(aesMasterKey), ...(previousAesMasterKey ? [withId(previousAesMasterKey)] : [])];
}

function withId(key: Uint8Array): MasterKey {
  return { id: keyId(key), key };
}

/** The number of stored secrets of each master key, by the id of the key. */
export type KeyUse = ReadonlyMap<string, number>;

export interface KeyMatch {
  /** The number of stored secrets that a configured key opens. */
  opened: number;
  /** Keys that stored secrets need and that are not configured. */
  missing: readonly { id: string; count: number }[];
}

export function matchKeys(masters: readonly MasterKey[], use: KeyUse): KeyMatch {
  const configured = new Set(masters.map(({ id }) => id));
  let opened = 0;
  const missing: { id: string; count: number }[] = [];
  for (const [id, count] of use) {
    if (configured.has(id)) opened += count;
    else missing.push({ id, count });
  }
  return { opened, missing };
}

/** Whether secrets exist and no configured key opens any of them: the key is wrong. */
export function opensNothing({ opened, missing }: KeyMatch): boolean {
  return opened === 0 && missing.length > 0;
}

/** `12 stored secrets need the key 1a2b3c4d` */
export function describeMissingKeys(missing: KeyMatch['missing']): string {
  return missing
    .map(({ id, count }) =>
      count === 1 ? `one stored secret needs the key ${id}` : `${count} stored secrets need the key ${id}`,
    )
    .join(', ');
}

/** Encrypts a value for the row that it belongs to. @throws FathomError `secret.undecryptable` */
export type Seal = (plaintext: Uint8Array, belongsTo: string) => string;

/**
 * Encrypts with the first key. Refuses while no configured key opens any stored secret: a value that a wrong key encrypts
 * would be lost with that key.
 *
 * @param storedUse reads the current stored secrets; null while there is no database
 */
export function guardedSeal(masters: MasterKeys, storedUse: () => KeyUse | null): Seal {
  return (plaintext, belongsTo) => {
    const use = storedUse();
    const match = use && matchKeys(masters, use);
    if (match && opensNothing(match)) {
      throw new FathomError(
        'secret.undecryptable',
        `cannot encrypt with AES_MASTER_KEY (key ${masters[0].id}): it opens no stored secret, ${describeMissingKeys(match.missing)}; restore that key, 'fathomd doctor' searches for it`,
      );
    }
    return seal(masters[0], plaintext, belongsTo);
  };
}
