/** What has to be done once the cause of a failure is mended, for the end of a sentence. The global instance never fails for good. */
export function onceMended({ name, kind }: { name: string; kind: 'global' | 'user' }): string {
  return kind === 'global' ? 'it then comes back by itself' : `then run 'fathomd databases start ${name}'`;
}
