import { commandOf } from './places.ts';
import { typedText } from './presses.ts';

/** Applies one key press to a line of text; null if the key does not edit text. */
export function editText(text: string, press: string): string | null {
  switch (commandOf('prompt', press)) {
    case 'text.backspace': {
      const characters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
      return characters.slice(0, -1).join('');
    }
    case 'text.delete-word':
      return text.replace(/\S*\s*$/, '');
    case 'text.clear':
      return '';
    default: {
      const typed = typedText(press);
      return typed === null ? null : text + typed;
    }
  }
}
