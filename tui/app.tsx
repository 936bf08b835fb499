import { Box, useInput, usePaste, useWindowSize } from 'ink';
import { ConfirmDialog } from './dialogs/ConfirmDialog.tsx';
import { FormDialog } from './dialogs/FormDialog.tsx';
import { HelpDialog } from './dialogs/HelpDialog.tsx';
import { PaletteDialog } from './dialogs/PaletteDialog.tsx';
import { paletteEntries } from './dialogs/palette.ts';
import { QuitDialog } from './dialogs/QuitDialog.tsx';
import { pressesOf } from './keys/presses.ts';
import { footerLine, headerLine, statusLine } from './screens/chrome.ts';
import { bodySize, type Console, SMALLEST } from './screens/console.ts';
import { runPaste, runPress } from './screens/run-press.ts';
import type { Size, View } from './screens/screen.ts';
import { placeBelow, placeOf, screenOf, waits } from './screens/screens.ts';
import { waitingLines } from './screens/waiting-lines.ts';
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
  const servers = useObservable(console.servers.state);
  const theme = console.themes.live;
  const body = bodySize(size);
  const view: View = {
    fleet,
    ui,
    rows: console.rows,
    servers,
    theme: fleet.link.kind === 'live' || screenOf(ui).alone === true ? theme : console.themes.stale,
    size: body,
  };
  return (
    <Box flexDirection="column" width={size.columns} height={size.rows}>
      <Lines lines={[headerLine(theme, console, view)]} height={1} />
      <Box height={body.rows} flexDirection="column">
        <Lines lines={bodyLines(console, view)} height={body.rows} />
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

function bodyLines({ themes, address }: Console, view: View): readonly string[] {
  if (waits(view.ui, view.fleet)) return waitingLines({ ...view, theme: themes.live }, address);
  return screenOf(view.ui).lines(view);
}

function Dialog({ view }: { view: View }) {
  const { fleet, ui, theme } = view;
  const frame = { theme, columns: view.size.columns, rows: view.size.rows };
  if (ui.prompt?.kind === 'palette') {
    return (
      <PaletteDialog
        {...frame}
        entries={paletteEntries(placeBelow(ui, fleet), fleet, ui.prompt.text)}
        choice={ui.prompt.choice}
      />
    );
  }
  switch (ui.dialog?.kind) {
    case 'confirm':
      return <ConfirmDialog {...frame} action={ui.dialog.action} past={fleet.actions} />;
    case 'help':
      return <HelpDialog {...frame} place={placeBelow(ui, fleet)} top={ui.dialog.top} />;
    case 'form':
      return <FormDialog {...frame} form={ui.dialog.form} />;
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
