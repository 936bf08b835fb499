/**
 * What all writings of one e-mail address have in common, for comparing only. `keyOf` of
 * `pb_hooks/global/lib/addresses.js` does the same for what is stored, which a test holds together.
 */
export function foldAddress(address: string): string {
  return address.trim().normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().normalize('NFKC');
}
