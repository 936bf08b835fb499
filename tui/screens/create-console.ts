import { type StreamClock, systemClock } from '../../shared/client/stream-clock.ts';
import type { LinkState } from '../../shared/client/stream-link.ts';
import type { FleetConnection } from '../store/fleet/fleet-connection.ts';
import { Observable } from '../store/observable.ts';
import { NO_NEEDS } from '../store/pages/pages.ts';
import { createRowSelector } from '../store/view/rows.ts';
import { initialUi } from '../store/view/ui-state.ts';
import { createThemes, type ThemeName } from '../theme.ts';
import { type Console, stateOf } from './console.ts';
import { AnswerGuard } from './input/answer-guard.ts';
import { offerSignIn } from './input/forms.ts';
import { screenOf } from './screens.ts';

export interface ConsoleOptions
  extends Pick<
    Console,
    | 'readOnly'
    | 'ownsDaemon'
    | 'address'
    | 'title'
    | 'servers'
    | 'session'
    | 'connectTo'
    | 'leave'
    | 'copy'
    | 'save'
    | 'targetArguments'
  > {
  fleet: FleetConnection;
  theme: ThemeName;
  /** Whether the console begins with the mouse. */
  mouse: boolean;
  after?: StreamClock['after'];
}

/** The console without a terminal. What a screen wants is brought as soon as it is looked at. */
export function createConsole({
  fleet,
  theme,
  mouse,
  after = (ms, callback) => systemClock.after(ms, callback),
  ...options
}: ConsoleOptions): Console {
  const ui = new Observable({ ...initialUi(), mouse });
  const console: Console = {
    ...options,
    fleet,
    ui,
    rows: createRowSelector(),
    themes: createThemes(theme),
    answers: new AnswerGuard(after, (answerable) => ui.update((state) => ({ ...state, answerable }))),
  };
  const bring = () => {
    fleet.want(screenOf(console.ui.get()).needs?.(stateOf(console)) ?? NO_NEEDS);
    console.servers.watch(console.ui.get().at.screen === 'servers');
  };
  console.ui.subscribe(bring);
  fleet.store.subscribe(bring);
  offerSignInWhenRefused(console);
  return console;
}

/** Once for every refusal that signing in would mend: whoever closes the form is not asked again. */
function offerSignInWhenRefused(console: Console): void {
  let last: LinkState | null = null;
  const check = () => {
    const { link } = console.fleet.store.get();
    if (link === last) return;
    last = link;
    if (link.kind === 'refused') offerSignIn(console);
  };
  console.fleet.store.subscribe(check);
  check();
}
