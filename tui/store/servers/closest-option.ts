import { closestWord } from '../../../shared/closest.ts';

/** The known option nearest to an unknown one among `args`, or null when none is near. */
export function closestOption(args: readonly string[], known: readonly string[]): string | null {
  const given = args
    .filter((arg) => arg.startsWith('-'))
    .map((arg) => arg.replace(/^-+/, '').replace(/=.*/, '').toLowerCase())
    .find((name) => name !== '' && !known.includes(name));
  if (given === undefined) return null;
  return closestWord(given, known);
}
