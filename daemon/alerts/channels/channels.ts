import { ALERT_CHANNELS } from '../../../shared/api/alerts.ts';
import { escapeHtml } from '../../accounts/mail/mail-text.ts';
import type { Mailer } from '../../accounts/mail/mailer.ts';
import { requestTrusted, webhookHeaders } from '../../base/webhook.ts';
import type { AlertConfig } from '../../config/alerts.ts';
import { type AlertMessage, firstLine } from '../alert-message.ts';
import { runAlertCommand } from './command.ts';

export type Channel = (typeof ALERT_CHANNELS)[number];

export function configuredChannels({ webhook, mailTo, command }: AlertConfig): Channel[] {
  return ALERT_CHANNELS.filter((channel) => {
    if (channel === 'webhook') return webhook !== null;
    return channel === 'mail' ? mailTo.length > 0 : command !== null;
  });
}

/** Sends a message to one channel, once. @throws Error with the cause */
export async function sendTo(
  channel: Channel,
  message: AlertMessage,
  {
    config: { webhook, mailTo, command },
    mailer,
    now,
    signal,
  }: { config: AlertConfig; mailer: Mailer; now: Date; signal: AbortSignal },
): Promise<void> {
  switch (channel) {
    case 'webhook': {
      if (webhook === null) return;
      const body = JSON.stringify(message);
      const headers = webhookHeaders({ id: message.id, body, now }, webhook.secret);
      return requestTrusted(webhook.url, { method: 'POST', headers, body }, signal);
    }
    case 'mail':
      return mailer.send({
        to: mailTo,
        subject: firstLine(message),
        text: message.text,
        html: `<pre style="white-space: pre-wrap">${escapeHtml(message.text)}</pre>`,
      });
    case 'command':
      if (command !== null) await runAlertCommand(command, JSON.stringify(message), signal);
  }
}
