/** A time in the language and the zone of the browser. */
export function Time({ at }: { at: string }) {
  // PocketBase writes a space instead of the T.
  const date = new Date(at.replace(' ', 'T'));
  return <time dateTime={at}>{date.toLocaleString()}</time>;
}
