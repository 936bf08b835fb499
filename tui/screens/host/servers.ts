import { messageOf } from '../../../shared/errors.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import type { Command } from '../../keys/commands.ts';
import { keyFor } from '../../keys/places.ts';
import { copyChoices } from '../../store/copy/copy-choice.ts';
import type { Profile, ServersState } from '../../store/servers/profile.ts';
import { latency, plural } from '../../store/text/format.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { cursorOf } from '../../store/view/ui-state.ts';
import type { Token } from '../../theme.ts';
import { paintLine, type Span } from '../../widgets/line.ts';
import { type Column, drawTable, widthFor } from '../../widgets/table.ts';
import { wrapWords } from '../../widgets/text.ts';
import { type Console, type ConsoleState, type Size, showNotice, stateOf, type View } from '../console.ts';
import { detailRows, withDetail } from '../frame/list-detail.ts';
import { openForm, removalForm, serverForm } from '../input/forms.ts';
import type { Screen } from '../screen.ts';

const LIST = 'servers';

/** The saved server profiles: which daemons answer, and which one this console uses. */
export const serversScreen: Screen = {
  place: () => 'servers',
  worksOffline: true,
  lines: serversLines,
  list: ({ servers }) => ({
    id: LIST,
    keys: servers.profiles.map(({ name }) => name),
    from: () => 2,
    room: listRows,
  }),
  copies(state) {
    const profile = chosen(state);
    return copyChoices(
      [COPY_KEYS.name, 'the name', profile?.name],
      [COPY_KEYS.url, 'the address', profile?.address],
    );
  },
  run,
};

/** Rows without the summary, the heading and the details. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - 2 - detailRows(size));
}

function chosen({ servers, ui }: ConsoleState): Profile | undefined {
  return servers.profiles[
    cursorIndex(
      servers.profiles.map(({ name }) => name),
      cursorOf(ui, LIST),
    )
  ];
}

function run(console: Console, command: Command): boolean {
  const profile = chosen(stateOf(console));
  switch (command) {
    case 'server.add':
      openForm(console, serverForm(null, suggestedAddress(console)));
      return true;
    case 'open':
      if (profile !== undefined) void connectTo(console, profile);
      return true;
    case 'server.edit':
      if (profile !== undefined) openForm(console, serverForm(profile, ''));
      return true;
    case 'server.remove':
      if (profile !== undefined) openForm(console, removalForm(profile));
      return true;
    default:
      return false;
  }
}

/** Also connects to the current server again: its address or theme may have changed. */
async function connectTo(console: Console, profile: Profile): Promise<void> {
  try {
    await console.connectTo(profile);
  } catch (error) {
    showNotice(console, `Cannot connect to ${profile.name}: ${messageOf(error)}`);
  }
}

/** Suggests the address of the current daemon, unless a profile has it already. */
function suggestedAddress({ address, servers }: Console): string {
  const known = servers.state.get().profiles.some((profile) => profile.address === address);
  return known ? '' : address;
}

function serversLines(view: View): string[] {
  const { servers, ui, theme, size } = view;
  if (servers.problem !== null) {
    return wrapWords(`✗ ${servers.problem}`, size.columns - 2).map((text) => theme.paint('bad', ` ${text}`));
  }
  const columns: Column<Profile>[] = [
    {
      title: 'NAME',
      width: widthFor(
        servers.profiles.map(({ name }) => name),
        8,
        32,
      ),
      text: ({ name }) => name,
    },
    {
      title: 'STATE',
      width: 13,
      text: (profile) => healthText(servers, profile).text,
      tone: (profile) => healthText(servers, profile).token,
    },
    { title: 'LATENCY', width: 8, align: 'right', text: (profile) => healthText(servers, profile).latency },
    { title: 'ADDRESS', width: 0, text: (profile) => `${profile.address}${whyNot(servers, profile)}` },
    { title: 'HERE', width: 10, text: ({ name }) => (name === servers.current ? '◂ current' : '') },
    { title: 'THEME', width: 6, text: ({ theme: own }) => own ?? '' },
  ];
  const table = drawTable(
    theme,
    {
      columns,
      rows: servers.profiles,
      keyOf: ({ name }) => name,
      cursor: cursorOf(ui, LIST),
      empty: `No servers yet. ${keyFor('server.add')} adds one for 'fathom-tui --profile NAME'.`,
    },
    size.columns,
    listRows(size),
  );
  return [head(view), ...withDetail(view, table, detail(view))];
}

function head({ servers, theme, size }: View): string {
  const { profiles, health } = servers;
  const unreachable = profiles.filter(({ address }) => health[address]?.kind === 'unreachable').length;
  const spans: Span[] = [['strong', ` ${plural(profiles.length, 'server')}`]];
  if (unreachable > 0) spans.push(['bad', `  ✗ ${unreachable} unreachable`]);
  return paintLine(theme, spans, size.columns);
}

function healthText(
  { health }: ServersState,
  { address }: Profile,
): { text: string; token: Token; latency: string } {
  const state = health[address];
  if (state === undefined) return { text: '◌ checking', token: 'busy', latency: '' };
  if (state.kind === 'unreachable') return { text: '✗ unreachable', token: 'bad', latency: '' };
  return { text: '● live', token: 'good', latency: latency(state.latency_ms) };
}

function whyNot({ health }: ServersState, { address }: Profile): string {
  const state = health[address];
  return state?.kind === 'unreachable' ? ` · ${state.why}` : '';
}

function detail(view: View): Span[] {
  const profile = chosen(view);
  const state = profile === undefined ? undefined : view.servers.health[profile.address];
  return state?.kind === 'unreachable' ? [['bad', ` ${state.why}`]] : [];
}
