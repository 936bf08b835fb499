import { createContext, type ReactNode, type SubmitEvent, use, useEffect, useRef, useState } from 'react';
import { FathomError, type FieldError } from '../../shared/errors.ts';
import { Problem } from './problem.tsx';

/** Messages by the name of the field. */
const FieldErrors = createContext<ReadonlyMap<string, string>>(new Map());

export function useFieldError(name: string): string | undefined {
  return use(FieldErrors).get(name);
}

interface Failure {
  error: unknown;
  /** Shown beside their fields. Without one, the error is shown above them. */
  fields: readonly FieldError[];
}

interface FormProps {
  button: string;
  /** `danger` for what cannot be undone. */
  kind?: 'danger';
  onSubmit: (fields: Readonly<Record<string, string>>) => Promise<unknown>;
  children?: ReactNode;
}

/** Sends fields once, and shows what is wrong beside the field that the error names. */
export function Form({ button, kind, onSubmit, children }: FormProps) {
  const [failure, setFailure] = useState<Failure | null>(null);
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    if (failure !== null) form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  }, [failure]);

  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (isBusy) return;
    const { elements } = event.currentTarget;
    const fields = [...new FormData(event.currentTarget)].map(([name, value]) => [
      name,
      typeof value === 'string' ? value : '',
    ]);
    setBusy(true);
    setFailure(null);
    try {
      await onSubmit(Object.fromEntries(fields) as Record<string, string>);
    } catch (error) {
      setFailure({ error, fields: fieldErrorsOf(error, elements) });
    } finally {
      setBusy(false);
    }
  };

  return (
    <form ref={form} onSubmit={(event) => void submit(event)}>
      {failure?.fields.length === 0 && <Problem error={failure.error} />}
      <FieldErrors value={new Map(failure?.fields.map(({ path, message }) => [path, message]))}>
        {children}
      </FieldErrors>
      {/* Not disabled while it is busy: it would lose the focus. */}
      <button type="submit" className={kind} aria-disabled={isBusy}>
        {button}
        {isBusy && '…'}
      </button>
    </form>
  );
}

/** The errors of fields that the form has. */
function fieldErrorsOf(error: unknown, elements: HTMLFormControlsCollection): readonly FieldError[] {
  const fields = error instanceof FathomError ? error.fields : [];
  return fields.filter(({ path }) => elements.namedItem(path) instanceof HTMLInputElement);
}
