/** Name of the file in which something is kept: what it is and when, in characters that need no quotes. */
export function savedFileName(what: string, now: number): string {
  const time = new Date(now).toISOString().replace(/[-:]/g, '').slice(0, 15);
  const name = what
    .replace(/[^A-Za-z0-9._@-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 100);
  return `${name === '' ? 'fathom' : name}-${time}.txt`;
}
