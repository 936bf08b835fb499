// The rule for e-mail addresses. Fathom's API, the PocketBase SDK, sign-in providers and the dashboard all follow it.

/** PocketBase refuses longer addresses at sign-in. */
const MAX_CHARACTERS = 254;

/**
 * Code points that are invisible, or that change how others are displayed. goja does not support \p in regular
 * expressions, and fixed ranges do not depend on a version of Unicode.
 *
 * @type {readonly (readonly [first: number, last: number])[]}
 */
const INVISIBLE = [
  // Control characters, spaces and the soft hyphen.
  [0x00, 0x20],
  [0x7f, 0xa0],
  [0xad, 0xad],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  // Directions, joiners and other format characters.
  [0x061c, 0x061c],
  [0x180e, 0x180e],
  [0x200b, 0x200f],
  [0x202a, 0x202e],
  [0x2060, 0x206f],
  [0xfeff, 0xfeff],
  [0xfff0, 0xfffb],
  [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a],
  // Fillers, blanks and variation selectors.
  [0x034f, 0x034f],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x2800, 0x2800],
  [0x3164, 0x3164],
  [0xfe00, 0xfe0f],
  [0xffa0, 0xffa0],
  // Surrogates, private use, replacement characters, tags and noncharacters.
  [0xd800, 0xf8ff],
  [0xfdd0, 0xfdef],
  [0xfffc, 0xffff],
  [0xe0000, 0x10ffff],
];
/** Letters of every script, and the RFC 5322 characters that need no quotes. Quotes would give one mailbox two spellings. */
const LOCAL_PART =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\u{dffff}-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\u{dffff}-]+)*$/iu;
/** ASCII only, as in the DNS. Other letters would give one domain two spellings. */
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:[a-z]{2,}|xn--[a-z0-9-]*[a-z0-9])$/i;

/** @typedef {{ code: string, message: string }} Problem */

/**
 * The key that all spellings of an address share. `foldAddress` of shared/email-address.ts does the same.
 *
 * @param {string} address
 */
function keyOf(address) {
  return address.trim().normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().normalize('NFKC');
}

/**
 * Replaces the key of an account if an older account has the same key. It is no valid key: a domain has no slash.
 *
 * @param {string} key
 * @param {string} id
 */
function markOf(key, id) {
  return `${key}/${id}`;
}

/**
 * The open interval that contains all marks of a key: '0' follows '/' in ASCII.
 *
 * @param {string} key
 */
function markRange(key) {
  return { from: markOf(key, ''), to: `${key}0` };
}

/** @param {string} character */
function isInvisible(character) {
  const point = character.codePointAt(0) ?? 0;
  return INVISIBLE.some(([first, last]) => point >= first && point <= last);
}

/**
 * @param {string} message
 * @returns {Problem}
 */
function invalid(message) {
  return { code: 'validation_is_email', message };
}

/**
 * The problem of an address, or null. The key is checked as well: '＠' and '，' are letters that fold to ASCII signs. Letters
 * that fold to others, such as 'ſ' to 's', are refused: the account would keep the owner of the usual spelling out.
 *
 * @param {string} address
 * @returns {Problem | null}
 */
function problemOf(address) {
  if (address.length > MAX_CHARACTERS) {
    return {
      code: 'validation_length_out_of_range',
      message: `Must be no more than ${MAX_CHARACTERS} characters.`,
    };
  }
  const key = keyOf(address);
  const problem = problemOfForm(address) || problemOfForm(key);
  if (problem || isSameMailbox(address, key)) return problem;
  return invalid(`Contains letters that count as others. Use ${key} if that is the same mailbox.`);
}

/**
 * @param {string} address
 * @returns {Problem | null}
 */
function problemOfForm(address) {
  const at = address.lastIndexOf('@');
  if (at < 1) return invalid('Must be a valid email address.');
  if (Array.from(address).some(isInvisible)) {
    return invalid('Must not contain spaces, or invisible, control or direction characters.');
  }
  if (!DOMAIN.test(address.slice(at + 1))) {
    return invalid(
      'Must end with a domain name in ASCII, like example.com; other letters are written as xn--….',
    );
  }
  return LOCAL_PART.test(address.slice(0, at)) ? null : invalid('Must be a valid email address.');
}

/**
 * Whether both addresses differ at most in upper and lower case. A provider that verified one has then verified the other.
 * Equal keys are not enough: they join addresses that are different mailboxes on other servers (ı and i, ß and ss).
 *
 * @param {string} address
 * @param {string} verified
 */
function isSameMailbox(address, verified) {
  return address.normalize('NFC').toLowerCase() === verified.normalize('NFC').toLowerCase();
}

module.exports = { isSameMailbox, keyOf, markOf, markRange, problemOf };
