/**
 * The pages that links in mails lead to. They are plain HTML; `account-page.js` sends their forms to the API. Each text of an
 * error has the code of the API, so a page says what to do for it.
 */
interface AccountPage {
  title: string;
  /** HTML, as everything below. */
  intro: string;
  /** Path below `/api/v1/auth/`. */
  action: string;
  fields: readonly (keyof typeof FIELDS)[];
  button: string;
  done: string;
  /** Shown in addition while a new account waits for the proof of its address. */
  waiting?: string;
  /** The name of the token in the request; `token` if it is left out. */
  token?: string;
  /** The error for a link without a token, if there is no second form. */
  missing?: string;
  /** Texts by code of the API. `link.invalid` is also shown for a link without a token. */
  errors: Readonly<Record<string, string>>;
  /** A second form that requests another mail, for a link that is not valid. */
  again?: { intro: string; action: string; button: string; done: string };
}

const FIELDS = {
  email: {
    label: 'E-mail address',
    attributes: 'type="email" autocomplete="username" maxlength="254" required',
  },
  name: { label: 'Name (optional)', attributes: 'type="text" autocomplete="name" maxlength="255"' },
  new_password: {
    label: 'New password',
    attributes: 'name="password" type="password" autocomplete="new-password" minlength="8" required',
  },
  current_password: {
    label: 'Password of your account',
    attributes: 'name="password" type="password" autocomplete="current-password" required',
  },
} as const;

const LATER: Readonly<Record<string, string>> = {
  rate_limited: 'Too many requests. Wait a few minutes, then try again.',
  unreachable: 'The server does not answer. Check your connection, then try again.',
};

const OLD_LINK = 'This link is not valid. It has expired, was used, or was not copied completely.';
const ADDRESS = 'Enter the e-mail address of your account. You get a mail with a link.';
const REQUESTED =
  'If this address has an account, a mail is on its way. Look into the folder for spam as well. The newest link works for the longest time.';

export const ACCOUNT_PAGES = {
  verify: {
    title: 'Confirm your e-mail address',
    intro: '<p>Confirm only if you created the account yourself. Otherwise close this page.</p>',
    action: 'verify',
    fields: [],
    button: 'Confirm the address',
    done: 'Your e-mail address is confirmed. You can close this page and go back to the application.',
    errors: { 'link.invalid': OLD_LINK },
    again: {
      intro: `<p>${ADDRESS}</p>`,
      action: 'request-verification',
      button: 'Send another mail',
      done: REQUESTED,
    },
  },
  'reset-password': {
    title: 'Set a new password',
    intro: '<p>The new password signs out all devices and revokes the API keys of your account.</p>',
    action: 'reset-password',
    fields: ['new_password'],
    button: 'Set the password',
    done: 'Your password is changed. You can close this page and sign in with it.',
    errors: { 'link.invalid': OLD_LINK },
    again: {
      intro: `<p>${ADDRESS}</p>`,
      action: 'request-password-reset',
      button: 'Send a mail',
      done: REQUESTED,
    },
  },
  'change-email': {
    title: 'Confirm your new e-mail address',
    intro: '<p>Enter the password of your account. Afterwards you sign in with the new address.</p>',
    action: 'change-email',
    fields: ['current_password'],
    button: 'Confirm the address',
    done: 'Your e-mail address is changed. You can close this page and sign in with the new address.',
    errors: { 'link.invalid': `${OLD_LINK} Request the change again in the application.` },
  },
  invitation: {
    title: 'Create your account',
    intro: '<p>You are invited. Choose a password of eight or more characters.</p>',
    action: 'register',
    token: 'invitation',
    missing: 'invitation.invalid',
    fields: ['email', 'name', 'new_password'],
    button: 'Create the account',
    done: 'Your account is ready. You can close this page and sign in to the application.',
    waiting: 'Your database is created after you open the link in the mail that was sent to you.',
    errors: {
      'invitation.invalid':
        'This invitation is not valid. It has expired, was used or revoked, was not copied completely, or is for another address. Ask the person who invited you for another one.',
      'auth.email_taken':
        'This address cannot be registered. If it is yours, sign in, or <a href="reset-password">set a new password</a>.',
      'sign_up.closed':
        'Sign-ups are closed at the moment. Try again later, or ask the person who invited you.',
    },
  },
} as const satisfies Record<string, AccountPage>;

export type AccountPageName = keyof typeof ACCOUNT_PAGES;

/** @param hasSignIn whether there is a page to sign in */
export function renderAccountPage(name: AccountPageName, hasSignIn: boolean): string {
  // Links are relative, because a proxy may serve the API below a path.
  const page: AccountPage = ACCOUNT_PAGES[name];
  const { again } = page;
  const errors = { ...page.errors, ...LATER };
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="robots" content="noindex">
    <title>${page.title}</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="page.css">
    <script src="page.js" defer></script>
  </head>
  <body>
    <main>
      <h1>${page.title}</h1>
      <noscript><p class="error">This page needs JavaScript. Allow it for this page, or open the link in another browser.</p></noscript>
      <div role="alert" id="errors">
        ${Object.entries(errors).map(renderError).join('\n        ')}
        <p class="error" data-error="other" hidden></p>
      </div>
      <div role="status" id="done">
        <p class="done" data-done="main" hidden>${page.done}${hasSignIn ? ' <a href="../">Sign in</a>' : ''}</p>
        ${page.waiting ? `<p class="done" data-waiting hidden>${page.waiting}</p>` : ''}
        ${again ? `<p class="done" data-done="again" hidden>${again.done}</p>` : ''}
      </div>
      <form id="main" data-action="${page.action}" data-token="${page.token ?? 'token'}" data-missing="${page.missing ?? 'link.invalid'}" hidden>
        ${page.intro}
        ${page.fields.map((field) => renderField('main', field)).join('\n        ')}
        <button>${page.button}</button>
      </form>
      ${again ? `<form id="again" data-action="${again.action}" hidden>\n        ${again.intro}\n        ${renderField('again', 'email')}\n        <button>${again.button}</button>\n      </form>` : ''}
    </main>
  </body>
</html>
`;
}

function renderError([code, text]: [string, string]): string {
  return `<p class="error" data-error="${code}" hidden>${text}</p>`;
}

function renderField(form: string, name: keyof typeof FIELDS): string {
  const { label, attributes } = FIELDS[name];
  const id = `${form}-${name}`;
  const named = attributes.startsWith('name=') ? attributes : `name="${name}" ${attributes}`;
  return `<label for="${id}">${label}</label>
        <input id="${id}" ${named} aria-describedby="${id}-error">
        <p class="error" id="${id}-error" data-field="${name.replace(/^.*_/, '')}" hidden></p>`;
}
