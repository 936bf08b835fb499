// Mails of accounts. The daemon decides and delivers (daemon/accounts/mail).

const daemon = require('./daemon.js');
const rows = require('./rows.js');

const { callDaemon } = daemon;
const { orNull } = rows;

/** Seconds. Longer than the daemon tries. */
const DELIVERY_TIMEOUT = 60;

/**
 * Lets the daemon deliver a mail. If it has no mail server, PocketBase delivers with the settings of its dashboard.
 *
 * @param {core.MailerEvent} e
 * @throws Error with the cause, if the mail is not sent
 */
function deliver(e) {
  const { to, subject, html, text } = e.message ?? {};
  const recipients = Array.from(to ?? []).map(({ address }) => address);
  const mail = { to: recipients, subject: subject ?? '', html: html ?? '', text: text ?? '' };
  const delivery = callDaemon(e.app, '/internal/mails/send', mail, DELIVERY_TIMEOUT);
  if (delivery === null && !e.app.settings().smtp.enabled) {
    throw new Error('the Fathom daemon does not respond, and no other mail server is configured');
  }
  if (delivery === null || !delivery.handled) return e.next();
  if (delivery.problem !== null) throw new Error(delivery.problem);
}

/**
 * Whether a stranger may cause another mail to these addresses. Without a verdict there is no mail: a flood of requests that slows
 * the daemon down must not lift the limit.
 *
 * @param {CoreApp} app
 * @param {import('../../../shared/hooks/daemon-calls.ts').MailKind} kind
 * @param {string[]} emails
 */
function isAllowed(app, kind, emails) {
  const verdict = callDaemon(app, '/internal/mails/begun', { kind, emails }, 10);
  return verdict !== null && verdict.allowed;
}

/**
 * Sends a mail to an account, and waits until the mail server has taken it.
 *
 * @param {CoreApp} app
 * @param {import('../../../shared/hooks/control-plane-routes.ts').SendMailRequest} request
 * @returns {import('../../../shared/hooks/control-plane-routes.ts').SendMailResult}
 */
function send(app, { user, kind }) {
  const record = orNull(() => app.findRecordById('users', String(user)));
  if (!record) throw new NotFoundError('No such user.');
  return attempt(() => {
    if (kind === 'verification') $mails.sendRecordVerification(app, record);
    else $mails.sendRecordPasswordReset(app, record);
  });
}

/**
 * Sends a mail that the daemon has written.
 *
 * @param {CoreApp} app
 * @param {import('../../../shared/hooks/control-plane-routes.ts').MessageRequest} request
 * @returns {import('../../../shared/hooks/control-plane-routes.ts').SendMailResult}
 */
function sendMessage(app, { to, subject, html, text }) {
  const { senderName: name, senderAddress: address } = app.settings().meta;
  const recipients = Array.from(to, (one) => ({ address: one }));
  return attempt(() => {
    app
      .newMailClient()
      .send(new MailerMessage({ from: { name, address }, to: recipients, subject, html, text }));
  });
}

/** @param {() => void} work */
function attempt(work) {
  try {
    work();
    return { problem: null };
  } catch (error) {
    return { problem: String(error).replace(/^(?:Go)?Error: /, '') };
  }
}

module.exports = { deliver, isAllowed, send, sendMessage };
