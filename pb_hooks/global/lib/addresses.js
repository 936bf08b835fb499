// The one rule for e-mail addresses, whoever sends them: Fathom's API, the PocketBase SDK, a sign-in provider, the dashboard.

const { orNull } = require(`${__hooks}/lib/rows.js`);

/** PocketBase refuses longer ones when they sign in. */
const MAX_CHARACTERS = 254;

/**
 * What nobody sees, or what changes how others are seen, as ranges of code points: \p is not known here, and what is
 * invisible does not depend on a version of Unicode then.
 */
const UNSEEN = [
  // Controls, spaces and the soft hyphen.
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
  // Halves of characters, private use, replacement, tags and what is no character.
  [0xd800, 0xf8ff],
  [0xfdd0, 0xfdef],
  [0xfffc, 0xffff],
  [0xe0000, 0x10ffff],
];
/** Letters of every script, and the signs of RFC 5322 that need no quotes. Quoted, the same mailbox would have two names. */
const LOCAL_PART =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\u{dffff}-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\u{dffff}-]+)*$/iu;
/** In ASCII, as the DNS has it: in other letters the same domain would have two names. */
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:[a-z]{2,}|xn--[a-z0-9-]*[a-z0-9])$/i;

/** What all writings of one address have in common. `foldAddress` of shared/email-address.ts does the same. */
function keyOf(address) {
  return address.trim().normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().normalize('NFKC');
}

/** In the place of a key that an older account holds. No key looks like that: a domain has no slash. */
function markOf(key, id) {
  return `${key}/${id}`;
}

function isUnseen(character) {
  const point = character.codePointAt(0);
  return UNSEEN.some(([first, last]) => point >= first && point <= last);
}

function problem(message) {
  return { code: 'validation_is_email', message };
}

/** What is wrong with an address, or null. Its key is one as well: '＠' and '，' are letters that fold to signs. */
function problemOf(address) {
  if (address.length > MAX_CHARACTERS) {
    return {
      code: 'validation_length_out_of_range',
      message: `Must be no more than ${MAX_CHARACTERS} characters.`,
    };
  }
  return problemOfForm(address) || problemOfForm(keyOf(address));
}

function problemOfForm(address) {
  const at = address.lastIndexOf('@');
  if (at < 1) return problem('Must be a valid email address.');
  if (Array.from(address).some(isUnseen))
    return problem('Must not hold spaces, or invisible, control or direction characters.');
  if (!DOMAIN.test(address.slice(at + 1))) {
    return problem(
      'Must end with a domain name in ASCII, like example.com; other letters are written as xn--….',
    );
  }
  return LOCAL_PART.test(address.slice(0, at)) ? null : problem('Must be a valid email address.');
}

/** The account with exactly this address (in whatever case of ASCII), or else the one whose address folds to the same. */
function findByAddress(app, address) {
  const exact = orNull(() => app.findAuthRecordByEmail('users', address));
  if (exact || !hasKeys(app)) return exact;
  return orNull(() => app.findFirstRecordByData('users', 'email_key', keyOf(address)));
}

/**
 * Whether a provider that has verified `proved` has verified `address`: the same letters, in whatever case. The key also joins
 * what are different mailboxes elsewhere (ı and i, ß and ss).
 */
function isSameMailbox(address, proved) {
  const [one, other] = [address, proved].map((it) => it.normalize('NFC').toLowerCase());
  return one === other;
}

/** False until the migration that adds them. */
function hasKeys(app) {
  return Boolean(app.findCachedCollectionByNameOrId('users').fields.getByName('email_key'));
}

/** Before a record is saved: the address as it is composed, and its key. */
function prepare(record) {
  const email = record.email();
  if (!record.isNew() && email === record.original().email()) return;
  record.setEmail(email.normalize('NFC'));
  record.set('email_key', keyOf(email));
}

/** @throws BadRequestError for a new address that is not one, or is taken */
function check(app, record) {
  const email = record.email();
  if (!record.isNew() && email === record.original().email()) return;
  const fault = problemOf(email);
  if (fault) throw refusal(fault);
  const bound = { id: record.id, key: keyOf(email), from: markOf(keyOf(email), ''), to: `${keyOf(email)}0` };
  const others = new DynamicModel({ count: 0 });
  app
    .db()
    .newQuery(
      'SELECT count(*) AS count FROM users ' +
        'WHERE id != {:id} AND (email_key = {:key} OR (email_key > {:from} AND email_key < {:to}))',
    )
    .bind(bound)
    .one(others);
  if (others.count > 0) throw taken();
}

function taken() {
  return refusal({ code: 'validation_not_unique', message: 'Value must be unique.' });
}

function refusal({ code, message }) {
  return new BadRequestError('The e-mail address is refused.', { email: new ValidationError(code, message) });
}

module.exports = { check, findByAddress, hasKeys, isSameMailbox, keyOf, markOf, prepare, taken };
