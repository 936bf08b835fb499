import type { Profile } from '../../store/servers/profile.ts';
import type { Form } from '../../store/view/form.ts';
import { THEME_NAMES } from '../../theme.ts';
import type { Console } from '../console.ts';

/** The option for no theme of its own. */
export const TERMINAL_THEME = 'detect from the terminal';
export const KEEP_SIGNED_IN = 'yes';

const BLANK = { at: 0, error: null, busy: false } as const;

function signInForm(address: string, reason: string): Form {
  return {
    ...BLANK,
    purpose: { kind: 'sign-in' },
    title: `Sign in to ${address}`,
    about: reason,
    verb: 'sign in',
    fields: [
      { name: 'email', label: 'E-mail', value: '', kind: 'text' },
      { name: 'password', label: 'Password', value: '', kind: 'secret' },
      {
        name: 'keep',
        label: 'Stay signed in on this machine',
        value: 'no',
        kind: { options: ['no', KEEP_SIGNED_IN] },
      },
    ],
  };
}

/** The form for a new server, or for the changes of a known one. */
export function serverForm(known: Profile | null, suggested: string): Form {
  return {
    ...BLANK,
    purpose: { kind: 'server', before: known?.name ?? null },
    title: known === null ? 'Add a server' : `Change ${known.name}`,
    about: 'The address is a URL like https://fathom.example, or the path of a local socket.',
    verb: 'save',
    fields: [
      { name: 'name', label: 'Name', value: known?.name ?? '', kind: 'text' },
      { name: 'address', label: 'Address', value: known?.address ?? suggested, kind: 'text' },
      {
        name: 'theme',
        label: 'Theme',
        value: known?.theme ?? TERMINAL_THEME,
        kind: { options: [TERMINAL_THEME, ...THEME_NAMES] },
      },
    ],
  };
}

export function removalForm({ name, address }: Profile): Form {
  return {
    ...BLANK,
    purpose: { kind: 'remove-server', name },
    title: `Remove ${name}?`,
    about: `Removes ${address} and its saved session from this console. The server itself does not change.`,
    verb: 'remove',
    fields: [],
  };
}

/** Opens the sign-in form, if the daemon refused the connection for a reason that signing in solves. */
export function offerSignIn(console: Console): void {
  const { link } = console.fleet.store.get();
  if (link.kind !== 'refused' || !link.signIn || console.session === null) return;
  openForm(console, signInForm(console.address, link.reason));
}

export function openForm({ ui }: Console, form: Form): void {
  ui.update((state) => ({ ...state, prompt: null, dialog: { kind: 'form', form } }));
}
