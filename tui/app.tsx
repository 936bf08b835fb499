import { Box, useInput, usePaste, useWindowSize } from 'ink';
import { ConfirmDialog } from './dialogs/ConfirmDialog.tsx';
import { HelpDialog } from './dialogs/HelpDialog.tsx';
import { PaletteDialog } from './dialogs/PaletteDialog.tsx';
import { paletteEntries } from './dialogs/palette.ts';
import { QuitDialog } from './dialogs/QuitDialog.tsx';
import { pressesOf } from './keymap.ts';
import { footerLine, headerLine, statusLine } from './screens/chrome.ts';
import { bodySize, type Console, placeOf, type Size, SMALLEST, type View } from './screens/console.ts';
import { InstanceScreen } from './screens/InstanceScreen.tsx';
import { InstancesScreen } from './screens/InstancesScreen.tsx';
import { OverviewScreen } from './screens/OverviewScreen.tsx';
import { runPaste, runPress } from './screens/run-press.ts';
import { WaitingScreen } from './screens/WaitingScreen.tsx';
import { Lines } from './widgets/Lines.tsx';
import { useObservable } from './widgets/use-observable.ts';

/** The whole console: a header, one screen, a status line and the keys; dialogs lie over the screen. */
export function App({ console }: { console: Console }) {
  const size = useWindowSize();
  useInput((input, key) => {
    for (const press of pressesOf(input, key)) runPress(console, press, size);
  });
  usePaste((text) => runPaste(console, text));
  if (size.columns < SMALLEST.columns || size.rows < SMALLEST.rows) return <TooSmall size={size} />;
  return <Frame console={console} size={size} />;
}

function Frame({ console, size }: { console: Console; size: Size }) {
  const fleet = useObservable(console.fleet.store);
  const ui = useObservable(console.ui);
  const theme = console.themes.live;
  const body = bodySize(size);
  const view: View = {
    fleet,
    ui,
    theme: fleet.link.kind === 'live' ? theme : console.themes.stale,
    size: body,
  };
  return (
    <Box flexDirection="column" width={size.columns} height={size.rows}>
      <Lines lines={[headerLine(theme, fleet, ui, size.columns)]} height={1} />
      <Box height={body.rows} flexDirection="column">
        <Screen console={console} view={view} />
        <Dialog view={{ ...view, theme }} />
      </Box>
      <Lines
        lines={[
          statusLine(theme, fleet, ui, size.columns),
          footerLine(theme, ui, placeOf(ui, fleet), size.columns),
        ]}
        height={2}
      />
    </Box>
  );
}

function Screen({ console, view }: { console: Console; view: View }) {
  if (view.fleet.snapshot_at === null) {
    return <WaitingScreen view={{ ...view, theme: console.themes.live }} address={console.address} />;
  }
  switch (view.ui.screen) {
    case 'overview':
      return <OverviewScreen view={view} />;
    case 'instances':
      return <InstancesScreen view={view} rows={console.rows(view.fleet, view.ui)} />;
    case 'instance':
      return <InstanceScreen view={view} />;
  }
}

function Dialog({ view }: { view: View }) {
  const { fleet, ui, theme } = view;
  const frame = { theme, columns: view.size.columns, rows: view.size.rows };
  if (ui.prompt?.kind === 'palette') {
    return (
      <PaletteDialog {...frame} entries={paletteEntries(fleet, ui.prompt.text)} choice={ui.prompt.choice} />
    );
  }
  switch (ui.dialog?.kind) {
    case 'confirm':
      return <ConfirmDialog {...frame} verb={ui.dialog.verb} names={ui.dialog.names} past={fleet.actions} />;
    case 'help':
      return <HelpDialog {...frame} place={placeOf({ ...ui, dialog: null }, fleet)} top={ui.dialog.top} />;
    case 'quit':
      return <QuitDialog {...frame} />;
    case undefined:
      return null;
  }
}

function TooSmall({ size }: { size: Size }) {
  const lines = [
    `${size.columns}×${size.rows} is too small`,
    `needs ${SMALLEST.columns}×${SMALLEST.rows}`,
    'q leaves',
  ].map((line) => line.slice(0, size.columns));
  return <Lines lines={lines} height={Math.min(lines.length, size.rows)} />;
}
