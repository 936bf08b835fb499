const BAR_CHARACTERS = 24;

/** `[######------------------]` */
export function progressBar(done: number, total: number): string {
  const filled = total === 0 ? BAR_CHARACTERS : Math.floor((done / total) * BAR_CHARACTERS);
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR_CHARACTERS - filled)}]`;
}
