// Addresses from which superusers may sign in (`superuserIPs`), compared as PocketBase does.

/**
 * Whether a sign-in of a superuser comes from an address that is not allowed. PocketBase itself refuses it only after a correct
 * password. It must not count as a failed one: strangers could lock the superuser with it.
 *
 * @param {core.RecordAuthWithPasswordRequestEvent} e
 */
function isRefusedSuperuser(e) {
  if (e.collection.name !== '_superusers') return false;
  const allowed = Array.from(e.app.settings().superuserIPs || []);
  return allowed.length > 0 && !isListed(allowed, e.realIP());
}

/**
 * Whether an address is in a list, or in one of its networks.
 *
 * @param {readonly string[]} list
 * @param {string} address
 */
function isListed(list, address) {
  const searched = parse(address);
  if (searched === null) return false;
  return list.some((item) => {
    const [base = '', length] = item.split('/', 2);
    const parsed = parse(base);
    if (parsed === null || parsed.bits.length !== searched.bits.length) return false;
    if (length === undefined) return parsed.bits === searched.bits && parsed.zone === searched.zone;
    if (searched.zone !== '' || !/^\d+$/.test(length) || Number(length) > parsed.bits.length) return false;
    return searched.bits.startsWith(parsed.bits.slice(0, Number(length)));
  });
}

/**
 * The bits of an address; null for another text. An IPv4 address in IPv6 notation is an IPv6 address.
 *
 * @param {string} address
 */
function parse(address) {
  const [bare = '', zone = ''] = address.trim().split('%', 2);
  const bits = bare.includes(':') ? bitsOfV6(bare) : bitsOfV4(bare);
  return bits === null ? null : { bits, zone };
}

/** @param {string} address */
function bitsOfV4(address) {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address);
  if (match === null) return null;
  const parts = match.slice(1).map(Number);
  return parts.every((part) => part < 256) ? parts.map((part) => binary(part, 8)).join('') : null;
}

/** @param {string} address */
function bitsOfV6(address) {
  const sides = address.split('::');
  if (sides.length > 2) return null;
  const [left, right] = [bitsOfGroups(sides[0] ?? ''), bitsOfGroups(sides[1] ?? '')];
  if (left === null || right === null) return null;
  const zeros = 128 - left.length - right.length;
  if (sides.length === 2 ? zeros <= 0 : zeros !== 0) return null;
  return left + '0'.repeat(zeros) + right;
}

/** @param {string} text groups that are separated by colons; the last one can be an IPv4 address */
function bitsOfGroups(text) {
  if (text === '') return '';
  let bits = '';
  for (const group of text.split(':')) {
    const part = group.includes('.') ? bitsOfV4(group) : bitsOfGroup(group);
    if (part === null) return null;
    bits += part;
  }
  return bits;
}

/** @param {string} group */
function bitsOfGroup(group) {
  return /^[\da-f]{1,4}$/i.test(group) ? binary(parseInt(group, 16), 16) : null;
}

/**
 * @param {number} value
 * @param {number} length
 */
function binary(value, length) {
  return value.toString(2).padStart(length, '0');
}

// Frozen: hooks of applications run in the same runtime.
module.exports = Object.freeze({ isListed, isRefusedSuperuser });
