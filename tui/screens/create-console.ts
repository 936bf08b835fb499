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
    | 'launcher'
    | 'targetArguments'
  > {
  fleet: FleetConnection;
  theme: ThemeName;
  /** Whether the mouse is on at the start. */
  mouse: boolean;
  after?: StreamClock['after'];
}

/** Creates a console without a terminal. Loads the data of each screen when it is shown. */
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
  const updateNeeds = () => {
    fleet.setNeeds(screenOf(console.ui.get()).needs?.(stateOf(console)) ?? NO_NEEDS);
    console.servers.watch(console.ui.get().at.screen === 'servers');
  };
  console.ui.subscribe(updateNeeds);
  fleet.store.subscribe(updateNeeds);
  offerSignInWhenRefused(console);
  return console;
}

/** Opens the sign-in form once for each refusal. After the user closes it, it stays closed. */
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
