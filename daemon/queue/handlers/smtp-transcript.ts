const ENVELOPE = /^(?:MAIL FROM|RCPT TO):<([^>]*)>/;
const NOT_ASCII = /\P{ASCII}/u;

interface Entry {
  tnx?: string;
}

/** Follows the commands and answers of a connection to a mail server, as a logger of nodemailer. It keeps no texts of mails. */
export class SmtpTranscript {
  #hasUtf8 = false;
  /** Of commands without a reply yet, in their order: with PIPELINING, all of them are sent at once. */
  readonly #unanswered: string[] = [];
  #refused: string | null = null;

  readonly trace = (): void => {};
  readonly info = (): void => {};
  readonly warn = (): void => {};
  readonly error = (): void => {};
  readonly fatal = (): void => {};
  readonly level = (): void => {};

  readonly debug = ({ tnx }: Entry, text: unknown): void => {
    if (typeof text !== 'string') return;
    if (tnx === 'server' && /^250[ -]SMTPUTF8\b/im.test(text)) this.#hasUtf8 = true;
    const address = tnx === 'client' ? ENVELOPE.exec(text)?.[1] : undefined;
    if (address !== undefined) this.#unanswered.push(address);
    if (tnx !== 'server') return;
    const answered = this.#unanswered.shift();
    if (answered !== undefined && isOdd(answered) && !text.startsWith('2')) this.#refused ??= answered;
  };

  /**
   * An address that a server without support for such ones has refused, or that it was asked for when the connection ended; null
   * without one.
   */
  get impossibleAddress(): string | null {
    if (this.#hasUtf8) return null;
    const [asked] = this.#unanswered;
    return this.#refused ?? (asked !== undefined && isOdd(asked) ? asked : null);
  }
}

function isOdd(address: string): boolean {
  return NOT_ASCII.test(address);
}
