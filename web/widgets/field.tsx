import { type InputHTMLAttributes, useId } from 'react';
import { useFieldError } from './form.tsx';
import { sentence } from './problem.tsx';

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  name: string;
  hint?: string | undefined;
}

/** A labelled input of a `Form`. Required unless `required={false}`. */
export function Field({ label, hint, required = true, ...input }: FieldProps) {
  const id = useId();
  const error = useFieldError(input.name);
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <input
        id={id}
        required={required}
        aria-invalid={error === undefined ? undefined : true}
        aria-describedby={described === '' ? undefined : described}
        {...input}
      />
      {error !== undefined && (
        <p className="error" id={`${id}-error`}>
          {sentence(error)}
        </p>
      )}
    </div>
  );
}
