const ENVELOPE = /^(?:MAIL FROM|RCPT TO):<([^>]*)>/;
const NOT_ASCII = /\P{ASCII}/u;

interface Entry {
  tnx?: string;
}

/** Follows the commands and answers of a connection to a mail server, as a logger of nodemailer. It keeps no texts of mails. */
export class SmtpTranscript {
  #hasUtf8 = false;
  #odd: string | null = null;

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
    if (address !== undefined && NOT_ASCII.test(address)) this.#odd ??= address;
  };

  /** An address that was sent to a server that does not take such ones; null without one. */
  get impossibleAddress(): string | null {
    return this.#hasUtf8 ? null : this.#odd;
  }
}
