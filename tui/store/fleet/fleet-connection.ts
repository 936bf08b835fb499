import type { HttpClientOptions } from '../../../shared/client/http.ts';
import { FleetStream, type StreamOptions } from '../../../shared/client/stream.ts';
import { type StreamClock, systemClock } from '../../../shared/client/stream-clock.ts';
import { openSocket } from '../../../shared/client/stream-socket.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Topic } from '../../../shared/events.ts';
import { ActionRunner } from '../actions/action-runner.ts';
import type { FleetCommands } from '../actions/actions.ts';
import { PageLoader } from '../pages/page-loader.ts';
import type { DataNeeds } from '../pages/pages.ts';
import { FleetStore } from './fleet-store.ts';

/** Milliseconds between two requests for the status, which the stream does not send. */
const STATUS_INTERVAL_MS = 2_000;
/** Milliseconds until a refused topic is requested again. */
const RETRY_REFUSED_MS = 3_000;

/** The store, and everything that keeps it up to date until `close`. */
export interface FleetConnection {
  store: FleetStore;
  actions: ActionRunner;
  /** Loads the data that a screen needs, and drops all other data. */
  setNeeds(needs: DataNeeds): void;
  /** Loads the data again, or tries to connect immediately if there is no connection. */
  refresh(): void;
  close(): void;
}

export interface ConnectionOptions extends Pick<StreamOptions, 'random'> {
  /** The daemon and the token. The token is read for each request, because it is renewed. */
  access: HttpClientOptions;
  /** Creates the HTTP client when it is first needed, so that the start of the console does not wait for it. */
  commands: () => Promise<FleetCommands>;
  /** Name of the user of this console. */
  by: string;
  clock?: StreamClock;
}

export function connectFleet(options: ConnectionOptions): FleetConnection {
  const clock = options.clock ?? systemClock;
  const store = new FleetStore(clock);
  const commands = once(options.commands);
  const { access, random } = options;
  const pages = new PageLoader({ store, commands, clock });
  const poll = statusPoll(store, commands, clock);
  const stream = new FleetStream({
    open: (listener) => openSocket(access, listener),
    ...(random === undefined ? {} : { random }),
    clock,
    topics: ['instances', 'health'],
    parts: true,
    onLink(link) {
      store.dispatch({ kind: 'link', link, now: clock.now() });
      if (link.kind === 'live') {
        poll.start();
        pages.refresh();
      } else {
        poll.stop();
        pages.pause();
      }
    },
    onSnapshot: (frame) => store.dispatch({ kind: 'snapshot', frame, now: clock.now() }),
    onEvent: ({ event }) => store.enqueue(event),
    onTopicRefused(topic, message) {
      if (topic.startsWith('logs:')) store.dispatch({ kind: 'log.refused', name: topic.slice(5), message });
      else {
        store.dispatch({ kind: 'topic.refused', topic, message });
        // A starting daemon accepts it soon.
        clock.after(RETRY_REFUSED_MS, () => {
          if (store.get().refusals[topic] !== undefined) stream.subscribe(topic);
        });
      }
    },
  });
  const follow = topicFollower(store, stream);
  stream.start();
  return {
    store,
    actions: new ActionRunner({ store, commands, clock, by: options.by }),
    setNeeds(needs) {
      follow(needs);
      pages.setRequests(needs.pages ?? []);
    },
    refresh() {
      const { link } = store.get();
      if (link.kind !== 'live') return stream.retryNow();
      pages.refresh();
      for (const topic of Object.keys(store.get().refusals)) stream.subscribe(topic as Topic);
    },
    close() {
      poll.stop();
      stream.close();
      store.close();
    },
  };
}

/** Subscribes to the topics and logs that a screen needs, and unsubscribes from all others. */
function topicFollower(store: FleetStore, stream: FleetStream): (needs: DataNeeds) => void {
  let topics: ReadonlySet<Topic> = new Set();
  return ({ logs = [], topics: needed = [] }) => {
    const before = store.get().log?.names ?? [];
    if (logs.join('\n') !== before.join('\n')) {
      // Before subscribing, because a dispatch calls this function again with the same needs.
      store.dispatch(logs.length === 0 ? { kind: 'log.close' } : { kind: 'log.open', names: logs });
    }
    const next = new Set<Topic>([...needed, ...logs.map((name): Topic => `logs:${name}`)]);
    const last = topics;
    topics = next;
    for (const topic of last) {
      if (next.has(topic)) continue;
      stream.unsubscribe(topic);
      store.dispatch({ kind: 'topic.left', topic });
    }
    for (const topic of next) if (!last.has(topic)) stream.subscribe(topic);
  };
}

function statusPoll(store: FleetStore, commands: () => Promise<FleetCommands>, clock: StreamClock) {
  let cancel: (() => void) | null = null;
  // Each start has its own round, so that a late response from before a reconnection does not start a second timer.
  let round = 0;
  const request = async (mine: number): Promise<void> => {
    try {
      const status = await (await commands()).daemon.status();
      const isRoutine = status.ready && store.get().status?.ready === true;
      if (mine === round) store[isRoutine ? 'dispatchLater' : 'dispatch']({ kind: 'status', status });
    } catch (error) {
      if (mine === round) store.dispatch({ kind: 'status.failed', message: messageOf(error) });
    }
    if (mine === round) cancel = clock.after(STATUS_INTERVAL_MS, () => void request(mine));
  };
  const stop = () => {
    round += 1;
    cancel?.();
    cancel = null;
  };
  const start = () => {
    stop();
    void request(round);
  };
  return { start, stop };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => (made ??= make());
}
