export function countOf(records: number): string {
  return `${records.toLocaleString()} ${records === 1 ? 'record' : 'records'}`;
}
