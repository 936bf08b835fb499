import { type ReactNode, use, useEffect, useRef } from 'react';
import { ViewContext } from '../view.ts';

/** A screen with its title, which gets the focus when the screen opens. */
export function Screen({ title, children }: { title: string; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const view = use(ViewContext);
  const owner = view === null || view.isOwn ? '' : ` · ${view.user.email}`;
  useEffect(() => {
    document.title = `${title}${owner} · Fathom`;
    heading.current?.focus();
  }, [title, owner]);
  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      {children}
    </>
  );
}
