/** A table of Markdown, with what would end a cell escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`.replaceAll('|  |', '| |');
}

/**
 * Replaces the part of a document between `<!-- NAME: written by … -->` and `<!-- end of NAME -->`.
 *
 * @throws Error when the document has no such part
 */
export function withGeneratedPart(document: string, name: string, text: string): string {
  const begin = new RegExp(`<!-- ${name}: written by .* -->`).exec(document);
  const end = document.indexOf(`<!-- end of ${name} -->`);
  if (begin === null || end === -1) {
    throw new Error(`the document needs '<!-- ${name}: written by … -->' and '<!-- end of ${name} -->'`);
  }
  return `${document.slice(0, begin.index + begin[0].length)}\n\n${text}\n\n${document.slice(end)}`;
}
