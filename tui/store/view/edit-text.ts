/** The text after one key press; null when the key means nothing to a line of text. */
export function editText(text: string, press: string): string | null {
  switch (press) {
    case 'space':
      return `${text} `;
    case 'backspace': {
      const characters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
      return characters.slice(0, -1).join('');
    }
    case 'ctrl+u':
      return '';
    case 'ctrl+w':
      return text.replace(/\S*\s*$/, '');
    default:
      // Named keys are longer than one character; of the rest, only what can be seen is text.
      return isOneCharacter(press) ? text + press : null;
  }
}

function isOneCharacter(press: string): boolean {
  return !/^[a-z+]{2,}/.test(press) && !/\p{Control}/u.test(press);
}
