// Settings that the superuser of a developer's database may change.

/** Settings that Fathom writes, and why. */
const MANAGED = {
  rateLimits: 'Fathom sets the rate limits of this database.',
  trustedProxy: 'Fathom sets the proxies of this database.',
  superuserIPs: 'Fathom sets the addresses of superusers.',
  logs: 'Fathom sets what is logged.',
  backups: 'Fathom makes the backups of this database.',
};
/** Of a batch, a superuser can only turn it on and off. */
const BATCH_LIMITS = ['maxRequests', 'timeout', 'maxBodySize'];
/** Characters. The daemon reads the settings before each start. */
const MAX_SETTINGS = 64 * 1024;

/**
 * @param {core.SettingsUpdateRequestEvent} e
 * @throws ForbiddenError
 */
function check(e) {
  const { refusal } = require(`${__hooks}/_fathom/developer-requests.js`);
  const [before, after] = [plain(e.oldSettings), plain(e.newSettings)];
  for (const [name, why] of Object.entries(MANAGED)) {
    if (!isSame(before[name], after[name])) throw refusal(`${why} It cannot be changed here.`);
  }
  const batches = [before, after].map(({ batch }) => {
    const values = /** @type {{ [name: string]: unknown }} */ (batch || {});
    return BATCH_LIMITS.map((name) => values[name]);
  });
  if (!isSame(batches[0], batches[1]))
    throw refusal('Batch requests can be turned on and off. Fathom sets their limits.');
  const { smtp, s3 } = e.newSettings;
  const secrets = [smtp.password, s3.secret];
  if (JSON.stringify(after).length + secrets.join('').length > MAX_SETTINGS)
    throw refusal(`The settings have more than ${MAX_SETTINGS} characters.`);
  checkTargets(smtp, s3);
}

/**
 * @param {core.SMTPConfig} smtp
 * @param {core.S3Config} s3
 */
function checkTargets(smtp, s3) {
  const { refusal } = require(`${__hooks}/_fathom/developer-requests.js`);
  const { hostsOfS3, targetProblem } = require(`${__hooks}/_fathom/developer-targets.js`);
  const { isListed } = require(`${__hooks}/_fathom/superuser-addresses.js`);
  const targets = JSON.parse(toString($os.readFile(`${__hooks}/_fathom/guard-developer.json`)));
  // Settings that are off are checked as well: a test of S3 can use them.
  const hosts = [
    ...(smtp.enabled || smtp.host !== ''
      ? [{ of: 'smtp', target: { host: smtp.host, port: smtp.port } }]
      : []),
    ...(s3.enabled || s3.endpoint !== ''
      ? (hostsOfS3(s3) || [null]).map((target) => ({ of: 's3', target }))
      : []),
  ];
  for (const { of, target } of hosts) {
    const problem = targetProblem(target, targets, isListed);
    if (problem !== null) throw refusal(`${of}: ${problem}`);
  }
}

/**
 * Without secrets.
 *
 * @param {core.Settings | undefined} settings
 * @returns {{ [name: string]: unknown }}
 */
function plain(settings) {
  return JSON.parse(JSON.stringify(settings));
}

/**
 * @param {unknown} a
 * @param {unknown} b
 */
function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

module.exports = Object.freeze({ check });
