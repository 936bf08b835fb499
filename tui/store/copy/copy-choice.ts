/** One thing that can be copied from what is chosen. */
export interface CopyChoice {
  /** The key that copies it in the dialog. */
  key: string;
  /** What it is, in a word or two: `the URL`. */
  what: string;
  text: string;
}

/** Without what is not there, such as the URL of an instance that does not run. */
export function copyChoices(
  ...choices: readonly (readonly [key: string, what: string, text: string | null | undefined])[]
): CopyChoice[] {
  return choices.flatMap(([key, what, text]) =>
    text === null || text === undefined || text === '' ? [] : [{ key, what, text }],
  );
}

/** One row with tabs between its cells, as spreadsheets and `cut` take it. */
export function rowText(cells: readonly (string | number | null | undefined)[]): string {
  return cells.map((cell) => (cell ?? '').toString().replace(/[\t\r\n]+/g, ' ')).join('\t');
}
