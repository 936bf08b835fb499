import { expect, it, onTestFinished } from 'vitest';
import { type Coordinator, type Entry, MAX_CHANGES } from '../../daemon/cluster/coordinator.ts';
import { until } from './until.ts';

export interface TestedStore {
  /** Another connection to the same store. */
  connect(): Coordinator;
  /** Breaks the connections of `connect`, calls `work`, removes the history of the store, and lets them connect again. */
  whileCutOff(work: () => Promise<unknown>): Promise<void>;
  /** Connects past the cut. */
  direct(): Coordinator;
}

const put = (key: string, value: string, revision = 0) => ({
  expect: [{ key, revision }],
  put: [{ key, value }],
});

/** What every coordinator must do. */
export function testCoordinator(open: () => Promise<TestedStore>): void {
  it('stores entries, and lists them by key', async () => {
    const store = (await open()).connect();
    expect(await store.get('a/2')).toBeNull();
    for (const key of ['a/2', 'a/1', 'a0', 'ab/3', 'b/1'])
      expect(await store.commit(put(key, `of ${key}`))).toBe(true);
    expect(await store.get('a/2')).toMatchObject({ key: 'a/2', value: 'of a/2', session: null });
    expect((await store.list('a/')).map(({ key }) => key)).toEqual(['a/1', 'a/2']);
    expect(await store.list('c/')).toEqual([]);
  });

  it('keeps any text', async () => {
    const store = (await open()).connect();
    const texts = ['', 'é 漢字 \u{1f600}', '"\\\n\0', 'x'.repeat(100_000)];
    for (const [index, text] of texts.entries()) await store.commit(put(`t/${index}`, text));
    expect((await store.list('t/')).map(({ value }) => value)).toEqual(texts);
  });

  it('makes a change only if every expectation is met', async () => {
    const tested = await open();
    const [one, other] = [tested.connect(), tested.connect()];
    expect(await one.commit(put('k/a', '1'))).toBe(true);
    expect(await other.commit(put('k/a', '2'))).toBe(false);
    const revision = (await other.get('k/a'))?.revision ?? 0;
    const both = { ...put('k/a', '3', revision), remove: ['k/b'] };
    expect(await one.commit({ ...both, expect: [...both.expect, { key: 'k/c', revision: 5 }] })).toBe(false);
    expect(await other.commit(both)).toBe(true);
    expect(await one.commit(put('k/a', '4', revision))).toBe(false);
    expect((await one.get('k/a'))?.value).toBe('3');
  });

  it('lets one of many win', async () => {
    const tested = await open();
    const nodes = Array.from({ length: 8 }, () => tested.connect());
    const won = await Promise.all(nodes.map((node, index) => node.commit(put('k/won', String(index)))));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect((await nodes[0]?.get('k/won'))?.value).toBe(String(won.indexOf(true)));
  });

  it('changes many entries at once', async () => {
    const store = (await open()).connect();
    const entries = Array.from({ length: MAX_CHANGES }, (_, n) => ({ key: `m/${n}`, value: String(n) }));
    expect(
      await store.commit({ expect: entries.map(({ key }) => ({ key, revision: 0 })), put: entries }),
    ).toBe(true);
    expect(await store.list('m/')).toHaveLength(MAX_CHANGES);
    await store.commit({ expect: [], remove: entries.map(({ key }) => key) });
    expect(await store.list('m/')).toEqual([]);
  });

  it('removes the entries of a session with it', async () => {
    const tested = await open();
    const [one, other] = [tested.connect(), tested.connect()];
    const session = await one.openSession(60);
    await one.commit({ expect: [], put: [{ key: 's/a', value: '1', session }] });
    await one.commit(put('s/b', '2'));
    expect(await one.renewSession(session)).toBe(true);
    expect((await other.get('s/a'))?.session).toBe(session);
    await one.closeSession(session);
    expect((await other.list('s/')).map(({ key }) => key)).toEqual(['s/b']);
    expect(await one.renewSession(session)).toBe(false);
    expect(await one.commit({ expect: [], put: [{ key: 's/c', value: '3', session }] })).toBe(false);
    await one.closeSession(session);
  });

  it('shows changes to those who watch', async () => {
    const tested = await open();
    const store = tested.connect();
    await store.commit(put('w/a', '1'));
    const { view, changed } = await watch(store, 'w/');
    expect([...view().keys()]).toEqual(['w/a']);
    await tested.connect().commit({ expect: [], put: [{ key: 'w/b', value: '2' }], remove: ['w/a'] });
    await tested.connect().commit(put('other', '3'));
    await until(() => view().get('w/b')?.value === '2' && !view().has('w/a'), { what: 'the change' });
    expect(new Set(changed())).toEqual(new Set(['w/a', 'w/b']));
  });

  it('shows the result of changes that a watch missed, without their history', async () => {
    const tested = await open();
    const [store, other] = [tested.connect(), tested.direct()];
    for (const name of ['kept', 'changed', 'removed']) await store.commit(put(`w/${name}`, '1'));
    const { view, changed } = await watch(store, 'w/');
    await tested.whileCutOff(async () => {
      for (const value of ['2', '3'])
        await other.commit({
          expect: [],
          put: [
            { key: 'w/changed', value },
            { key: 'w/new', value },
          ],
        });
      await other.commit({ expect: [], remove: ['w/removed'] });
    });
    await until(() => view().get('w/new')?.value === '3' && !view().has('w/removed'), { what: 'the result' });
    expect(view().get('w/changed')?.value).toBe('3');
    expect(new Set(changed().slice(3))).toEqual(new Set(['w/changed', 'w/new', 'w/removed']));
    await other.commit(put('w/later', '4'));
    await until(() => view().has('w/later'), { what: 'a later change' });
  });
}

async function watch(store: Coordinator, prefix: string) {
  const end = new AbortController();
  let current: ReadonlyMap<string, Entry> | null = null;
  const keys: string[] = [];
  const ended = store.watch(
    prefix,
    (view, changed) => {
      current = view;
      keys.push(...changed);
    },
    end.signal,
  );
  onTestFinished(async () => {
    end.abort();
    await ended;
  });
  await until(() => current, { what: 'the first view' });
  return { view: () => current ?? new Map<string, Entry>(), changed: () => keys };
}
