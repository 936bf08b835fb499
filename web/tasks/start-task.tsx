import { useCallback, useState } from 'react';
import type { TaskType } from '../../shared/api/queue.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { useServices } from '../services.ts';
import { Field } from '../widgets/field.tsx';
import { Form } from '../widgets/form.tsx';
import { Notice } from '../widgets/notice.tsx';
import { Problem } from '../widgets/problem.tsx';
import { Select } from '../widgets/select.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { fieldsOf, type PayloadField, pathOf, payloadOf } from './payload-fields.ts';

/** The types of tasks that an administrator has opened to owners, each with its form. Nothing without one. */
export function StartTask({ onStarted }: { onStarted: () => void }) {
  const { client } = useServices();
  const load = useCallback((options: CallOptions) => client.queue.types({}, options), [client]);
  const { data, error } = useLoad(load);
  if (error !== null) return <Problem error={error} />;
  if (data === null || data.items.length === 0) return null;
  return (
    <section aria-labelledby="start">
      <h2 id="start">Start a task</h2>
      <ul className="list">
        {data.items.map((type) => (
          <li key={type.type}>
            <StartForm type={type} onStarted={onStarted} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function StartForm({
  type: { type, title, description, payload },
  onStarted,
}: {
  type: TaskType;
  onStarted: () => void;
}) {
  const { client } = useServices();
  const [isStarted, setStarted] = useState(false);
  const fields = fieldsOf(payload);
  const start = async (texts: Readonly<Record<string, string>>) => {
    setStarted(false);
    await client.queue.add({ type, ...payloadOf(fields, texts) });
    setStarted(true);
    onStarted();
  };
  return (
    <details className="record">
      <summary>
        <bdi>{title ?? type}</bdi>
      </summary>
      {description !== null && <p>{description}</p>}
      <Form button="Start" onSubmit={start}>
        {fields.map((field) => (
          <PayloadInput key={field.name} field={field} />
        ))}
      </Form>
      {isStarted && (
        <Notice kind="done">
          <p>The task is added. The list below shows its state.</p>
        </Notice>
      )}
    </details>
  );
}

function PayloadInput({ field }: { field: PayloadField }) {
  const { label, hint, required, kind, input, choices, initial } = field;
  const common = { label, hint, name: pathOf(field), defaultValue: initial };
  if (kind !== 'choice') return <Field {...common} {...input} required={required} />;
  const options = choices.map((value) => ({ value, text: choiceText(value) }));
  return <Select {...common} options={required ? options : [{ value: '', text: 'Not set' }, ...options]} />;
}

/** @param value JSON text */
function choiceText(value: string): string {
  if (value === 'true') return 'Yes';
  if (value === 'false') return 'No';
  return value.startsWith('"') ? String(JSON.parse(value)) : value;
}
