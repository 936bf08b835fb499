import type { HttpClientOptions } from '../../../shared/client/http.ts';
import { FleetStream, type StreamOptions } from '../../../shared/client/stream.ts';
import { type StreamClock, systemClock } from '../../../shared/client/stream-clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Topic } from '../../../shared/events.ts';
import { ActionRunner } from '../actions/action-runner.ts';
import type { FleetCommands } from '../actions/actions.ts';
import { PageLoader } from '../pages/page-loader.ts';
import type { DataNeeds } from '../pages/pages.ts';
import { FleetStore } from './fleet-store.ts';

/** Milliseconds between two looks at what the stream does not tell (readiness, the queue). */
const STATUS_EVERY = 2_000;
/** Milliseconds until a topic that was refused is asked for again, while it is still wanted. */
const RETRY_REFUSED_AFTER = 3_000;

/** The store, and everything that keeps it up to date; released by `close`. */
export interface FleetConnection {
  store: FleetStore;
  actions: ActionRunner;
  /** Brings what a screen shows, and lets go of what was wanted before and is no longer. */
  want(needs: DataNeeds): void;
  /** Tries to connect at once; on a live link, what was asked for is read again. */
  refresh(): void;
  close(): void;
}

export interface ConnectionOptions extends Pick<StreamOptions, 'random'> {
  /** The daemon, and the token, which may be renewed. */
  access: HttpClientOptions;
  /** Made once the first snapshot asks for it: the console's start does not wait for the HTTP client. */
  commands: () => Promise<FleetCommands>;
  /** Who sits at this console, in words. */
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
    target: access.target,
    get token() {
      return access.token;
    },
    ...(access.role === undefined ? {} : { role: access.role }),
    ...(random === undefined ? {} : { random }),
    clock,
    topics: ['instances', 'health'],
    onLink(link) {
      store.dispatch({ kind: 'link', link, now: clock.now() });
      if (link.kind === 'live') {
        poll.start();
        pages.refresh();
      } else {
        poll.stop();
        pages.rest();
      }
    },
    onSnapshot: (frame) => store.dispatch({ kind: 'snapshot', frame, now: clock.now() }),
    onEvent: ({ event }) => store.enqueue(event),
    onTopicRefused(topic, message) {
      if (topic.startsWith('logs:')) store.dispatch({ kind: 'log.refused', name: topic.slice(5), message });
      else {
        store.dispatch({ kind: 'topic.refused', topic, message });
        // A daemon that starts will tell it soon.
        clock.after(RETRY_REFUSED_AFTER, () => {
          if (store.get().refusals[topic] !== undefined) stream.subscribe(topic);
        });
      }
    },
  });
  const follow = topicKeeper(store, stream);
  stream.start();
  return {
    store,
    actions: new ActionRunner({ store, commands, clock, by: options.by }),
    want(needs) {
      follow(needs);
      pages.want(needs.pages ?? []);
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

function topicKeeper(store: FleetStore, stream: FleetStream): (needs: DataNeeds) => void {
  let topics: ReadonlySet<Topic> = new Set();
  return ({ logs = [], topics: listed = [] }) => {
    const before = store.get().log?.names ?? [];
    if (logs.join('\n') !== before.join('\n')) {
      // Told to the store first: whoever listens asks for the same again.
      store.dispatch(logs.length === 0 ? { kind: 'log.close' } : { kind: 'log.open', names: logs });
    }
    const next = new Set<Topic>([...listed, ...logs.map((name): Topic => `logs:${name}`)]);
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
  // Each start is a round of its own, so that an answer from before a reconnection does not start a second one.
  let round = 0;
  const look = async (mine: number): Promise<void> => {
    try {
      const status = await (await commands()).daemon.status();
      const usual = status.ready && store.get().status?.ready === true;
      if (mine === round) store[usual ? 'dispatchLater' : 'dispatch']({ kind: 'status', status });
    } catch (error) {
      // When the daemon is gone, the link says so.
      if (mine === round) store.dispatch({ kind: 'status.failed', message: messageOf(error) });
    }
    if (mine === round) cancel = clock.after(STATUS_EVERY, () => void look(mine));
  };
  const stop = () => {
    round += 1;
    cancel?.();
    cancel = null;
  };
  const start = () => {
    stop();
    void look(round);
  };
  return { start, stop };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => (made ??= make());
}
