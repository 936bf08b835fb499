/**
 * Folds the different spellings of an e-mail address into one form, for comparison only. `keyOf` in
 * `pb_hooks/global/rules/addresses.js` does the same for stored addresses; a test compares the two.
 */
export function foldAddress(address: string): string {
  return address.trim().normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().normalize('NFKC');
}
