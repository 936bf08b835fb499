import type { Profile } from '../../store/servers/profile.ts';
import type { Form } from '../../store/view/form.ts';
import { THEME_NAMES } from '../../theme.ts';
import type { Console } from '../console.ts';

/** The theme that is what the terminal tells. */
export const TERMINAL_THEME = 'as the terminal tells';
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

/** Of a server that is known, or of a new one. */
export function serverForm(known: Profile | null, suggested: string): Form {
  return {
    ...BLANK,
    purpose: { kind: 'server', before: known?.name ?? null },
    title: known === null ? 'Add a server' : `Change ${known.name}`,
    about: 'A URL like https://fathom.example, or the path of a local socket.',
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
    about: `This console forgets ${address}, and that you signed in to it. The server itself is not touched.`,
    verb: 'remove',
    fields: [],
  };
}

/** Does nothing where signing in would not help. */
export function offerSignIn(console: Console): void {
  const { link } = console.fleet.store.get();
  if (link.kind !== 'refused' || !link.signIn || console.session === null) return;
  openForm(console, signInForm(console.address, link.reason));
}

export function openForm({ ui }: Console, form: Form): void {
  ui.update((state) => ({ ...state, prompt: null, dialog: { kind: 'form', form } }));
}
