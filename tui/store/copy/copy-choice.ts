/** An entry of the copy dialog. */
export interface CopyChoice {
  /** The key that copies this entry. */
  key: string;
  /** A short description: `the URL`. */
  what: string;
  text: string;
}

/** Leaves out entries without a text, such as the URL of an instance that is not running. */
export function copyChoices(
  ...choices: readonly (readonly [key: string, what: string, text: string | null | undefined])[]
): CopyChoice[] {
  return choices.flatMap(([key, what, text]) =>
    text === null || text === undefined || text === '' ? [] : [{ key, what, text }],
  );
}

/** One row with tabs between its cells, for spreadsheets and `cut`. */
export function rowText(cells: readonly (string | number | null | undefined)[]): string {
  return cells.map((cell) => (cell ?? '').toString().replace(/[\t\r\n]+/g, ' ')).join('\t');
}
