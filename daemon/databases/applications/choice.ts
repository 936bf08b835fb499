import { DOCUMENTS, EVERY } from './sources.ts';

/*
 * The applications of a database, as its row has them: `documents,shop`. Names are sorted, so that equal choices are equal texts.
 */

/** @param names null for all of the directory */
export function formatChoice(names: readonly string[] | null): string {
  return [...new Set([...(names ?? [EVERY]), DOCUMENTS])].toSorted().join(',');
}

export function parseChoice(choice: string): string[] {
  return choice.split(',');
}

/** Whether a database has an application, also one whose files are gone. @param isOwn of the package */
export function isChosen(choice: string, name: string, isOwn: boolean): boolean {
  const names = parseChoice(choice);
  return names.includes(name) || (names.includes(EVERY) && !isOwn);
}

/** @param inDirectory the names in FATHOM_APP_DIR */
export function hasApplication(choice: string, name: string, inDirectory: readonly string[]): boolean {
  const names = parseChoice(choice);
  return names.includes(name) || (names.includes(EVERY) && inDirectory.includes(name));
}

export function withApplication(choice: string, name: string): string {
  return formatChoice([...parseChoice(choice), name]);
}

/** Without one application, the others of the directory are named. */
export function withoutApplication(choice: string, name: string, inDirectory: readonly string[]): string {
  const names = parseChoice(choice).flatMap((one) =>
    one === EVERY && inDirectory.includes(name) ? inDirectory : [one],
  );
  return formatChoice(names.filter((one) => one !== name));
}

/** For messages. */
export function describeChoice(choice: string): string {
  return parseChoice(choice)
    .map((name) => (name === EVERY ? 'all in FATHOM_APP_DIR' : name))
    .join(', ');
}

/** The names, as people see them. */
export function namesOf(choice: string, inDirectory: readonly string[]): string[] {
  const names = parseChoice(choice).flatMap((one) => (one === EVERY ? inDirectory : [one]));
  return [...new Set(names)].toSorted();
}
