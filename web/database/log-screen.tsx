import { useEffect, useLayoutEffect, useRef } from 'react';
import type { Session } from '../../shared/api/accounts/auth.ts';
import type { ShownLine } from '../live/live-database.ts';
import type { Live } from '../live/use-live-database.ts';
import { useDatabaseName } from '../view.ts';
import { Screen } from '../widgets/screen.tsx';
import { Time } from '../widgets/time.tsx';
import { NoDatabase } from './no-database.tsx';

/** Of terminals. */
const COLOR = new RegExp(`${String.fromCodePoint(27)}\\[[\\d;]*m`, 'g');

/** Beside the end by less than this many pixels, the log stays at its end. */
const AT_END_PX = 24;

/** The log of the own database, which goes on while the screen is open. */
export function LogScreen({ session, live }: { session: Session; live: Live }) {
  const { followLog, log } = live;
  const name = useDatabaseName(live);
  useEffect(() => (name === null ? undefined : followLog(name)), [name, followLog]);
  return (
    <Screen title="Log">
      {name === null && <NoDatabase session={session} />}
      {name !== null && (
        <p>
          What the database prints: starts, stops, and errors of hooks and migrations. New lines appear below.
        </p>
      )}
      {name !== null && log === null && <p role="status">Loading…</p>}
      {log?.length === 0 && <p>Nothing is logged yet.</p>}
      {log !== null && log.length > 0 && <Lines lines={log} />}
    </Screen>
  );
}

function Lines({ lines }: { lines: readonly ShownLine[] }) {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    const element = box.current;
    if (element && isAtEnd.current && lines.length > 0) element.scrollTop = element.scrollHeight;
  }, [lines]);
  const scrolled = () => {
    const element = box.current;
    if (element)
      isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX;
  };
  return (
    <div
      className="log"
      role="log"
      aria-label="Log of the database"
      tabIndex={0}
      ref={box}
      onScroll={scrolled}
    >
      {lines.map(({ id, at, text }) => (
        <p key={id}>
          <Time at={at} /> <code>{withoutColors(text)}</code>
        </p>
      ))}
    </div>
  );
}

function withoutColors(text: string): string {
  return text.replaceAll(COLOR, '');
}
