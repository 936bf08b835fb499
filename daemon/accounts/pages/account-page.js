// The script of the pages in account-pages.ts, minified by the build. It runs in a browser.

/**
 * @typedef {{ code?: string, detail?: string, errors?: { path: string, message: string }[] }} Problem
 */

const byId = (/** @type {string} */ id) => document.getElementById(id);
const all = (/** @type {string} */ selector) =>
  /** @type {HTMLElement[]} */ ([...document.querySelectorAll(selector)]);

const main = /** @type {HTMLFormElement} */ (byId('main'));
const again = /** @type {HTMLFormElement | null} */ (byId('again'));
// The part after the # is not sent to servers and proxies.
const link = new URLSearchParams(location.hash.includes('=') ? location.hash.slice(1) : '');
const token = link.get('token') ?? location.hash.slice(1);

/**
 * @param {string} code
 * @param {string} detail for a code without a text of its own
 */
function showError(code, detail) {
  const known = all(`[data-error]`).find(({ dataset }) => dataset['error'] === code);
  const shown = known ?? all('[data-error=other]')[0];
  if (!shown) return;
  if (shown !== known) shown.textContent = detail;
  shown.hidden = false;
}

/** @param {HTMLFormElement} form */
function hideMessages(form) {
  for (const message of all('.error, .done')) message.hidden = true;
  for (const input of all('[aria-invalid]')) input.removeAttribute('aria-invalid');
  for (const other of [main, again]) if (other && other !== form) other.hidden = true;
}

/**
 * @param {HTMLFormElement} form
 * @param {{ path: string, message: string }[]} errors
 */
function showFieldErrors(form, errors) {
  let shown = 0;
  for (const { path, message } of errors) {
    const place = form.querySelector(`[data-field="${CSS.escape(path)}"]`);
    const input = form.elements.namedItem(path);
    if (!(place instanceof HTMLElement) || !(input instanceof HTMLInputElement)) continue;
    place.textContent = message;
    place.hidden = false;
    input.setAttribute('aria-invalid', 'true');
    if (shown === 0) input.focus();
    shown += 1;
  }
  return shown;
}

/** A link that is not valid cannot be tried again, so the form for another mail takes its place. */
function offerAgain() {
  main.hidden = true;
  if (again) again.hidden = false;
}

/** @param {HTMLFormElement} form */
async function send(form) {
  const fields = Object.fromEntries(new FormData(form));
  for (const [name, value] of Object.entries(fields)) if (value === '') delete fields[name];
  const body = form === main ? { ...fields, [form.dataset['token'] ?? 'token']: token } : fields;
  const response = await fetch(`../api/v1/auth/${form.dataset['action'] ?? ''}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    credentials: 'omit',
  });
  if (response.ok) {
    form.hidden = true;
    for (const done of all(`[data-done=${form.id}]`)) done.hidden = false;
    await finishSignUp(await response.text());
    // A reload must not offer a used link again.
    if (form === main) history.replaceState(null, '', location.pathname);
    return;
  }
  const problem = /** @type {Problem} */ (await response.json());
  if (problem.code === 'link.invalid') offerAgain();
  if (showFieldErrors(form, problem.errors ?? []) === 0) showError(problem.code ?? '', problem.detail ?? '');
}

/**
 * The page does not use the session of a new account. The application signs in itself.
 *
 * @param {string} text the response; empty for other requests
 */
async function finishSignUp(text) {
  if (text === '') return;
  const { token: session, database } = JSON.parse(text);
  if (database?.status === 'awaiting_verification') {
    for (const waiting of all('[data-waiting]')) waiting.hidden = false;
  }
  await fetch('../api/v1/auth/logout', {
    method: 'POST',
    headers: { authorization: `Bearer ${session}` },
    credentials: 'omit',
  });
}

for (const form of [main, again]) {
  form?.addEventListener('submit', (event) => {
    event.preventDefault();
    const button = form.querySelector('button');
    if (!button || button.disabled) return;
    button.disabled = true;
    hideMessages(form);
    send(form)
      .catch(() => showError('unreachable', ''))
      .finally(() => {
        button.disabled = false;
      });
  });
}

const address = main.elements.namedItem('email');
if (address instanceof HTMLInputElement) address.value = link.get('email') ?? '';

// A link that is opened in the tab of this page changes only the part after the #.
addEventListener('hashchange', () => location.reload());

if (token === '') {
  offerAgain();
  if (!again) showError(main.dataset['missing'] ?? 'link.invalid', '');
} else main.hidden = false;
