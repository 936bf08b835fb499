import type { CollectionModel, RecordModel } from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { redactRecord } from './browse.ts';

function collection(fields: Partial<CollectionModel['fields'][number]>[]): CollectionModel {
  return { fields } as CollectionModel;
}

describe('redactRecord', () => {
  const schema = collection([
    { name: 'id', type: 'text' },
    { name: 'password', type: 'password', hidden: true },
    { name: 'tokenKey', type: 'text', hidden: true },
    { name: 'note', type: 'text', hidden: true },
    { name: 'pin', type: 'password' },
    { name: 'client_secret', type: 'text' },
    { name: 'title', type: 'text' },
  ]);

  it('replaces hidden fields, passwords, and fields with the name of a secret', () => {
    const record = {
      id: 'a',
      password: 'x',
      tokenKey: 'x',
      note: 'x',
      pin: 'x',
      client_secret: 'x',
      title: 'shown',
    } as unknown as RecordModel;
    expect(redactRecord(record, schema)).toEqual({
      id: 'a',
      password: '[redacted]',
      tokenKey: '[redacted]',
      note: '[redacted]',
      pin: '[redacted]',
      client_secret: '[redacted]',
      title: 'shown',
    });
  });

  it('returns the fields of the schema in its order', () => {
    const record = {
      collectionId: 'c',
      expand: { x: 1 },
      title: 'shown',
      extra: 1,
      id: 'a',
    } as unknown as RecordModel;
    expect(Object.entries(redactRecord(record, schema))).toEqual([
      ['id', 'a'],
      ['title', 'shown'],
    ]);
  });
});
