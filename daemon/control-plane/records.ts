import type { RecordListOptions, RecordModel, RecordService } from 'pocketbase';
import type { Page, PageRequest } from '../../shared/api/contract/page.ts';
import { isRecordId } from '../../shared/record-id.ts';
import { type ControlPlaneClient, isStatus } from './client.ts';

/** Reads one page of a collection. */
export async function listRecords<T>(
  collection: RecordService,
  { page, per_page }: PageRequest,
  options: RecordListOptions,
  toItem: (record: RecordModel) => T,
): Promise<Page<T>> {
  const { items, totalItems } = await collection.getList(page, per_page, options);
  return { items: items.map(toItem), page, per_page, total: totalItems };
}

/** Returns null when there is no record with this id. */
export async function findRecord(
  client: ControlPlaneClient,
  collection: string,
  id: string,
): Promise<RecordModel | null> {
  // The id becomes a part of a URL, where '..' would lead to another path.
  if (!isRecordId(id)) return null;
  try {
    return await client.call((pocketbase) => pocketbase.collection(collection).getOne(id));
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}

/** Does nothing when the record is already deleted. */
export async function deleteRecord(
  client: ControlPlaneClient,
  collection: string,
  id: string,
): Promise<void> {
  try {
    await client.call((pocketbase) => pocketbase.collection(collection).delete(id));
  } catch (error) {
    if (!isStatus(error, 404)) throw error;
  }
}
