import { ALERT_CHANNELS, type AlertStatus, type AlertTest } from '../../shared/api/alerts.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Mailer } from '../accounts/mail/mailer.ts';
import type { Logger } from '../base/log/log.ts';
import { Tally } from '../base/tally.ts';
import type { Clock } from '../base/time/clock.ts';
import { type Loop, startLoop } from '../base/time/repeat.ts';
import type { AlertConfig } from '../config/alerts.ts';
import { type AlertMessage, alertMessage, testMessage } from './alert-message.ts';
import { addMessage, DELIVERY_RESULTS, nextMessage, noteAttempt, onlyChannels } from './alert-outbox.ts';
import { AlertStore, type Stored } from './alert-store.ts';
import { type Channel, configuredChannels, sendTo } from './channels/channels.ts';
import { decideAlert, EMPTY_STATE, isOpen } from './decide-alert.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Observation } from './problem.ts';
import { isQuiet } from './quiet-hours.ts';

const CHECK_EVERY_MS = 15_000;

interface AlertsDeps {
  /** Where the state is kept. */
  file: string;
  settings: { readonly alerts: AlertConfig };
  /** `unhealthy`: why no heartbeat may be sent, besides critical problems; null if there is no reason. */
  observe: () => Promise<Observation & { unhealthy: string | null }>;
  /** Of its own, so that a failed alert is no failed mail of an account. */
  mailer: Mailer;
  fleetName: () => string;
  clock: Clock;
  log: Logger;
}

/**
 * Sends alerts about problems of the fleet, and the heartbeat. Each round decides, stores the decision, and then delivers it.
 * So a crash loses no alert that was decided. An alert that a channel took right before the crash is sent once more, with
 * the same id.
 */
export class Alerts {
  /** Attempts of deliveries by channel and result. */
  readonly deliveries = new Tally(
    ALERT_CHANNELS.flatMap((channel) => DELIVERY_RESULTS.map((result) => [channel, result])),
  );
  readonly #deps: AlertsDeps;
  readonly #heartbeat: Heartbeat;
  #stored: Stored = { version: 1, state: EMPTY_STATE, outbox: [] };
  readonly #store: AlertStore;
  /** Of each channel, since the start of the daemon. */
  readonly #last = new Map<Channel, { sentAt: string | null; problem: string | null }>();
  #loop: Loop | null = null;

  constructor(deps: AlertsDeps) {
    this.#deps = deps;
    this.#store = new AlertStore(deps.file, deps.log);
    this.#heartbeat = new Heartbeat(deps.clock);
  }

  async start(): Promise<void> {
    this.#stored = await this.#store.load();
    this.#loop = startLoop(this.#deps.clock, (stopping) => this.#round(stopping));
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  get status(): AlertStatus {
    const { alerts } = this.#deps.settings;
    const { state, outbox } = this.#stored;
    return {
      channels: configuredChannels(alerts).map((channel) => {
        const { sentAt = null, problem = null } = this.#last.get(channel) ?? {};
        const waiting = outbox.filter(({ channels }) => channels.some((one) => one.channel === channel));
        return { channel, sent_at: sentAt, waiting: waiting.length, problem };
      }),
      open: state.tracked.filter(isOpen).length,
      state_problem: this.#store.problem,
      heartbeat: alerts.heartbeat && this.#heartbeat.status,
    };
  }

  /** Sends a test message to every channel, once. */
  async sendTest(): Promise<AlertTest['results']> {
    const { settings, fleetName, clock } = this.#deps;
    const message = testMessage({ fleet: fleetName(), now: clock.now() });
    const { signal } = new AbortController();
    return Promise.all(
      configuredChannels(settings.alerts).map(async (channel) => {
        const startMs = performance.now();
        const problem = await this.#send(channel, message, signal);
        return { channel, duration_ms: Math.round(performance.now() - startMs), problem };
      }),
    );
  }

  async #round(stopping: AbortSignal): Promise<number> {
    const { settings, log } = this.#deps;
    const { heartbeat } = settings.alerts;
    const channels = configuredChannels(settings.alerts);
    if (channels.length === 0 && heartbeat === null) return CHECK_EVERY_MS;
    try {
      const seen = await this.#deps.observe();
      if (channels.length > 0) {
        this.#decide(seen, channels);
        await this.#store.store(this.#stored);
        await Promise.all(channels.map((channel) => this.#deliver(channel, stopping)));
        await this.#store.store(this.#stored);
      }
      const critical = seen.problems.find(({ severity }) => severity === 'critical')?.text ?? null;
      await this.#heartbeat.beat(heartbeat, seen.unhealthy ?? critical, stopping);
    } catch (error) {
      log.error({ err: error }, 'the problems of the fleet cannot be read');
    }
    return CHECK_EVERY_MS;
  }

  #decide(seen: Observation, channels: readonly Channel[]): void {
    const { settings, clock, log, fleetName } = this.#deps;
    const now = clock.now();
    const rules = {
      intervalMs: settings.alerts.intervalMs,
      isQuiet: isQuiet(settings.alerts.quietHours, now),
    };
    const { state, alert } = decideAlert(this.#stored.state, seen, { nowMs: now.getTime(), rules });
    const outbox = onlyChannels(this.#stored.outbox, channels);
    if (alert === null) {
      this.#stored = { version: 1, state, outbox };
      return;
    }
    const message = alertMessage(alert, { fleet: fleetName(), now });
    const added = addMessage(outbox, message, channels, now.getTime());
    for (const channel of added.dropped) {
      this.deliveries.add([channel, 'dropped']);
      log.error({ channel }, 'an alert is given up: too many wait');
    }
    this.#stored = { version: 1, state, outbox: added.outbox };
  }

  /** Sends the due messages of one channel, until one fails. */
  async #deliver(channel: Channel, stopping: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    for (;;) {
      const message = nextMessage(this.#stored.outbox, channel, clock.now().getTime());
      if (message === null || stopping.aborted) return;
      const problem = await this.#send(channel, message, stopping);
      // Its next start sends it again.
      if (problem !== null && stopping.aborted) return;
      const attempt = { id: message.id, channel, isSent: problem === null, nowMs: clock.now().getTime() };
      const { outbox, result } = noteAttempt(this.#stored.outbox, attempt);
      this.#stored = { ...this.#stored, outbox };
      this.deliveries.add([channel, result]);
      if (result === 'failed') log.warn({ channel }, `cannot send an alert: ${problem}`);
      if (result === 'dropped') log.error({ channel }, `an alert is given up: ${problem}`);
      if (problem !== null) return;
    }
  }

  /** @returns why it was not sent; null if it was */
  async #send(channel: Channel, message: AlertMessage, signal: AbortSignal): Promise<string | null> {
    const { settings, mailer, clock } = this.#deps;
    try {
      const sent = sendTo(channel, message, { config: settings.alerts, mailer, now: clock.now(), signal });
      await untilAborted(sent, signal);
      this.#last.set(channel, { sentAt: clock.now().toISOString(), problem: null });
      return null;
    } catch (error) {
      const problem = messageOf(error);
      this.#last.set(channel, { sentAt: this.#last.get(channel)?.sentAt ?? null, problem });
      return problem;
    }
  }
}

/** Does not stop `work`. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(new Error('the daemon stops'));
  signal.addEventListener('abort', abort);
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
