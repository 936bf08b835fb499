import { shortDuration } from '../../store/text/format.ts';
import { paintLine, type Span } from '../../widgets/line.ts';
import { wrapWords } from '../../widgets/text.ts';
import type { View } from '../console.ts';

/** Nothing has been seen yet: what is waited for, and what to do about it. */
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
        'Look elsewhere:  fathom-tui --socket S      or  --url U, or 7 for the servers that you keep',
        '',
        'This console connects by itself as soon as the daemon answers.',
        '^R tries now, q leaves.',
      ];
    case 'refused':
      return [
        fleet.link.signIn
          ? '^R signs in, 7 shows other servers, q leaves.'
          : 'Trying again would not help, so it has stopped. 7 shows other servers, q leaves.',
      ];
    case 'connecting':
    case 'live':
    case 'closed':
      return [];
  }
}

const HERE = [
  'Start it:        systemctl start fathomd    or, in a checkout,  npm start',
  'See why not:     journalctl -u fathomd -e   or  fathomd doctor (in a checkout: bin/fathomd doctor)',
];
const THERE = [
  'On that host:    systemctl status fathomd   or  journalctl -u fathomd -e',
  'Another address: 7, then e',
];

/** A local socket, or an address of this host alone. */
function isHere(address: string): boolean {
  const host = URL.parse(address)?.hostname;
  return host === undefined || /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(host);
}
