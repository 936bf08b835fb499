import { GENERATED_SECRETS } from '../../../config/sources/variables.ts';

const COMMON = /password|passwort|changeme|change-me|secret|admin|fathom|12345|qwert|letmein/i;
/** A random secret of the minimum length has many more different characters. */
const MIN_DIFFERENT_CHARACTERS = 6;

export interface WeakSecret {
  variable: string;
  why: string;
}

/** Finds secrets that have a valid length and are easy to guess. The result contains no secret. */
export function findWeakSecrets(
  get: (name: (typeof GENERATED_SECRETS)[number]) => string | undefined,
): WeakSecret[] {
  const weak: WeakSecret[] = [];
  const seen = new Map<string, string>();
  for (const variable of GENERATED_SECRETS) {
    const value = get(variable)?.trim();
    if (value === undefined || value === '') continue;
    const same = seen.get(value);
    seen.set(value, variable);
    const key = variable === 'AES_MASTER_KEY' || variable === 'PB_ENCRYPTION_KEY';
    const characters = key ? new Set(Buffer.from(value, 'base64')) : new Set(value);
    if (same !== undefined) weak.push({ variable, why: `is the same as ${same}` });
    else if (characters.size < MIN_DIFFERENT_CHARACTERS) {
      weak.push({ variable, why: 'repeats a few characters' });
    } else if (!key && COMMON.test(value))
      weak.push({ variable, why: 'contains a word that attackers try first' });
    else if (variable === 'PB_ADMIN_PASSWORD' && value.length < 12) {
      weak.push({ variable, why: `has only ${value.length} characters` });
    }
  }
  return weak;
}
