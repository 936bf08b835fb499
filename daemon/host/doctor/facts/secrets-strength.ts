import { GENERATED_SECRETS } from '../../../config/sources/variables.ts';

const COMMON = /password|passwort|changeme|change-me|secret|admin|fathom|12345|qwert|letmein/i;
/** Of a random text of the least length that is accepted, far more are different. */
const FEWEST_CHARACTERS = 6;

export interface WeakSecret {
  variable: string;
  why: string;
}

/** What is wrong with secrets of the right length, without ever telling any of them. */
export function weakSecrets(
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
    else if (characters.size < FEWEST_CHARACTERS) {
      weak.push({ variable, why: 'is the same few characters over and over' });
    } else if (!key && COMMON.test(value)) weak.push({ variable, why: 'holds a word that is guessed first' });
    else if (variable === 'PB_ADMIN_PASSWORD' && value.length < 12) {
      weak.push({ variable, why: `has only ${value.length} characters` });
    }
  }
  return weak;
}
