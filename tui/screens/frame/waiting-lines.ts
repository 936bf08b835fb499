import { keyFor } from '../../keys/places.ts';
import { shortDuration } from '../../store/text/format.ts';
import { paintLine, type Span } from '../../widgets/line.ts';
import { wrapWords } from '../../widgets/text.ts';
import type { View } from '../console.ts';

/** Shown before the first data arrives: what the console waits for, and what the user can do. */
export function waitingLines(view: View, address: string): string[] {
  const { theme, size } = view;
  const line = (...spans: Span[]) => paintLine(theme, spans, size.columns);
  return [
    '',
    ...headline(view, address),
    '',
    ...advice(view, address).map((text) => line(['plain', `   ${text}`])),
  ];
}

function headline({ fleet, theme, size }: View, address: string): string[] {
  const { link, now } = fleet;
  const paragraphs: Span[] =
    link.kind === 'refused'
      ? [['bad', link.reason]]
      : link.kind === 'stale'
        ? [
            ['strong', `Waiting for the daemon at ${address} for ${shortDuration(now - link.since)}`],
            ['warn', link.reason],
          ]
        : [['strong', `Connecting to the daemon at ${address}`]];
  return paragraphs.flatMap(([token, text]) =>
    wrapWords(text, size.columns - 6).map((part) => theme.paint(token, `   ${part}`)),
  );
}

function advice({ fleet }: View, address: string): string[] {
  switch (fleet.link.kind) {
    case 'stale':
      return [
        ...(isHere(address) ? HERE : THERE),
        `Other daemon:    fathom-tui --socket S      or  --url U, or ${SERVERS} for your servers`,
        '',
        'This console connects by itself as soon as the daemon answers.',
        `${keyFor('refresh')} tries now, ${QUITS}.`,
      ];
    case 'refused':
      return [
        fleet.link.signIn
          ? `${keyFor('refresh')} signs in, ${SERVERS} shows other servers, ${QUITS}.`
          : `The console stopped trying, because another attempt cannot succeed. ${SERVERS} shows other servers, ${QUITS}.`,
      ];
    case 'connecting':
    case 'live':
    case 'closed':
      return [];
  }
}

const SERVERS = keyFor('screen.servers');
const QUITS = `${keyFor('leave')} quits`;

const HERE = [
  'Start it:        systemctl start fathomd    or, in a checkout,  npm start',
  'Find the cause:  journalctl -u fathomd -e   or  fathomd doctor (in a checkout: bin/fathomd doctor)',
];
const THERE = [
  'On that host:    systemctl status fathomd   or  journalctl -u fathomd -e',
  `Another address: ${SERVERS}, then ${keyFor('server.edit')}`,
];

/** Whether the address is a local socket or a loopback address. */
function isHere(address: string): boolean {
  const host = URL.parse(address)?.hostname;
  return host === undefined || /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(host);
}
