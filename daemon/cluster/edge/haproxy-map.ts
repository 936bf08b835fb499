import { connect } from 'node:net';
import { messageOf } from '../../../shared/errors.ts';

/** HAProxy reads at most its buffer of 16 KiB for one command. */
const MAX_PAYLOAD = 12_000;
const TIMEOUT_MS = 5_000;
/** In one command. */
const MAX_SESSIONS = 200;
const NO_SESSION = "No such session (use 'show sess').";
/** Of a session that has a server, in what HAProxy prints. */
const SERVER = /^ {2}server=\S+ \(id=\d+\) addr=(\S+)/m;

/** A map of a running HAProxy, by its admin socket. */
export class HaproxyMap {
  readonly #socketPath: string;
  readonly #map: string;

  /** @param map path of its file, as in the configuration of HAProxy */
  constructor(socketPath: string, map: string) {
    this.#socketPath = socketPath;
    this.#map = map;
  }

  /** Differs for each process of HAProxy. Each one reads the map from its file. */
  async process(): Promise<string> {
    const info = await this.#send('show info');
    return [/^Pid: (\d+)/m, /^Start_time_sec: (\d+)/m].map((line) => line.exec(info)?.[1] ?? '').join(' ');
  }

  /** Replaces all entries at once. */
  async replace(entries: ReadonlyMap<string, string>): Promise<void> {
    const version = /version created: (\d+)/i.exec(await this.#send(`prepare map ${this.#map}`))?.[1];
    if (version === undefined) throw new Error(`HAProxy has no map ${this.#map}`);
    try {
      await this.#fill(version, entries);
      await this.#send(`commit map @${version} ${this.#map}`);
    } catch (error) {
      // HAProxy keeps entries of a version that is not committed.
      const left = await this.#send(`clear map @${version} ${this.#map}`).then(() => null, messageOf);
      throw new Error(left === null ? messageOf(error) : `${messageOf(error)}; ${left}`, { cause: error });
    }
  }

  async #fill(version: string, entries: ReadonlyMap<string, string>): Promise<void> {
    let payload = '';
    const flush = async () => {
      if (payload !== '') await this.#send(`add map @${version} ${this.#map} <<\n${payload}`);
      payload = '';
    };
    for (const [key, value] of entries) {
      if (payload.length > MAX_PAYLOAD) await flush();
      payload += `${key} ${value}\n`;
    }
    await flush();
  }

  /** @param isKnown whether the map has an entry with this key */
  async set(key: string, value: string | null, isKnown: boolean): Promise<void> {
    if (value === null) await this.#send(`del map ${this.#map} ${key}`);
    else await this.#send(`${isKnown ? 'set' : 'add'} map ${this.#map} ${key} ${value}`);
  }

  /**
   * Ends the requests that wait for these addresses, and the connections to them.
   *
   * @param addresses as HOST:PORT, without brackets
   * @returns how many
   */
  async endSessions(addresses: ReadonlySet<string>): Promise<number> {
    const sessions = (await this.#send('show sess all')).split(/^(?=0x)/m);
    const ids = sessions.flatMap((session) => {
      const address = SERVER.exec(session)?.[1];
      return address !== undefined && addresses.has(address) ? session.slice(0, session.indexOf(':')) : [];
    });
    // Many in a command: HAProxy can give the id of a session that has ended to another one.
    for (let from = 0; from < ids.length; from += MAX_SESSIONS)
      await this.#send(
        ids
          .slice(from, from + MAX_SESSIONS)
          .map((id) => `shutdown session ${id}`)
          .join('; '),
      );
    return ids.length;
  }

  /** @throws the error of the connection, or an error with the answer of HAProxy when it refuses the command */
  #send(command: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect(this.#socketPath);
    let answer = '';
    socket.setEncoding('utf8');
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('HAProxy does not answer')));
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', reject);
    socket.on('end', () => {
      const text = answer.trim();
      const [verb] = command.split(' ', 1);
      const isGone = verb === 'shutdown' && text.split(/\n+/).every((line) => line === NO_SESSION);
      const isExpected = verb === 'show' || verb === 'prepare' || text === '' || isGone;
      if (isExpected) resolve(text);
      else reject(new Error(`HAProxy answers '${text}' to '${command.split('\n', 1)[0]}'`));
    });
    // An empty line ends a payload.
    socket.write(`${command}\n`);
    return promise;
  }
}
