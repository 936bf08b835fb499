import { type ReactNode, useState } from 'react';
import { Dialog } from './dialog.tsx';
import { Form } from './form.tsx';

interface ConfirmButtonProps {
  children: ReactNode;
  /** More than the text says, for screen readers. */
  label?: string;
  question: string;
  /** What happens, and what cannot be undone. */
  explanation: ReactNode;
  confirm: string;
  /** Fields of the dialog. */
  fields?: ReactNode;
  onConfirm: (fields: Readonly<Record<string, string>>) => Promise<unknown>;
}

/** A button that asks in a dialog before it acts. */
export function ConfirmButton(props: ConfirmButtonProps) {
  const { children, label, question, explanation, confirm, fields, onConfirm } = props;
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="quiet" aria-label={label} onClick={() => setOpen(true)}>
        {children}
      </button>
      {isOpen && (
        <Dialog title={question} onClose={() => setOpen(false)}>
          <div>{explanation}</div>
          <Form
            kind="danger"
            button={confirm}
            onSubmit={async (values) => {
              await onConfirm(values);
              setOpen(false);
            }}
          >
            {fields}
          </Form>
        </Dialog>
      )}
    </>
  );
}
