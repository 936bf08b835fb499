import { useState } from 'react';
import { Time } from '../widgets/time.tsx';
import { beginOf, shownValue } from './value-text.ts';

const CUT_AFTER = 500;

/** A value of a record, as text. */
export function Value({ value, type }: { value: unknown; type: string }) {
  const shown = shownValue(value, type);
  switch (shown.kind) {
    case 'empty':
      return <span className="hint">empty</span>;
    case 'hidden':
      return <span className="hint">not shown</span>;
    case 'time':
      return <Time at={shown.at} />;
    case 'list':
      return shown.items.map((item, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an item may be there twice, and the list does not change.
        <span key={index} className="item">
          <code>{item}</code>
        </span>
      ));
    default:
      return <LongText text={shown.text} isCode={shown.kind === 'code'} />;
  }
}

function LongText({ text, isCode }: { text: string; isCode: boolean }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > CUT_AFTER;
  const part = isLong && !isWhole ? `${beginOf(text, CUT_AFTER)}…` : text;
  return (
    <>
      {isCode ? <code className="text">{part}</code> : <bdi className="text">{part}</bdi>}
      {isLong && (
        <button type="button" className="quiet" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? 'Show less' : `Show all ${text.length.toLocaleString()} characters`}
        </button>
      )}
    </>
  );
}
