import type { ReactNode } from 'react';

/** `problem` is read out at once, the others when the reader is idle. */
export function Notice({ kind, children }: { kind: 'info' | 'done' | 'problem'; children: ReactNode }) {
  return (
    <div className={`notice ${kind}`} role={kind === 'problem' ? 'alert' : 'status'}>
      {children}
    </div>
  );
}
