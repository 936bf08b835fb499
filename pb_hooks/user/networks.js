// Networks of client addresses.

/**
 * The /64 of an IPv6 address, because one subscriber can use all of its addresses. IPv4 stays as it is.
 *
 * @param {string} address
 */
function networkOf(address) {
  const bare = address.replace(/%.*$/, '').toLowerCase();
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  if (v4 || !bare.includes(':')) return v4 ? String(v4[1]) : bare;
  const [head = '', tail] = bare.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right].slice(0, 4);
  return `${groups.map((group) => parseInt(group, 16).toString(16)).join(':')}::/64`;
}

// Frozen: hooks of applications run in the same runtime.
module.exports = Object.freeze({ networkOf });
