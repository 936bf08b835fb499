import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { PutObjectCommandInput, S3Client, ServerSideEncryption } from '@aws-sdk/client-s3';
import { DamagedObject } from '../backup-problem.ts';
import type * as Client from './s3-client.ts';
import {
  checkKey,
  checkPrefix,
  checkSize,
  ERASABLE_PREFIX,
  isKey,
  type NewObject,
  putEach,
  type StoredObject,
  type Target,
} from './target.ts';
import {
  LockedObject,
  problemOf,
  problemOfSystem,
  TargetProblem,
  type TargetReason,
} from './target-problem.ts';

type Sdk = typeof Client;

const ATTEMPTS = 3;
const DAY_MS = 86_400_000;

export interface S3Options {
  bucket: string;
  /** Empty, or ends with `/`. */
  prefix: string;
  /** URL of a server that is not Amazon's; null for Amazon's. */
  endpoint: string | null;
  region: string;
  encryption: { algorithm: ServerSideEncryption; keyId: string | null } | null;
  /** Days in which no account can remove or change a stored object; the bucket must have object lock. */
  lockDays: number | null;
  /** Null takes them from the environment (`AWS_ACCESS_KEY_ID`, …), the credentials file of AWS, or the role of the host. */
  credentials: { accessKeyId: string; secretAccessKey: string } | null;
  connectTimeoutMs: number;
  /** Without any byte of a request or of its response. */
  idleTimeoutMs: number;
}

/** Stores objects in a bucket of Amazon S3 or of a compatible server. */
export class S3Target implements Target {
  readonly #options: S3Options;
  readonly #where: string;
  #loaded: Promise<{ sdk: Sdk; client: S3Client }> | null = null;

  constructor(options: S3Options) {
    this.#options = options;
    this.#where = `s3://${options.bucket}/${options.prefix}`;
  }

  async put(key: string, content: Uint8Array): Promise<void> {
    const { encryption } = this.#options;
    const input: PutObjectCommandInput = {
      ...this.#place(key),
      Body: content,
      // Every server knows this checksum, and object lock requires one.
      ContentMD5: createHash('md5').update(content).digest('base64'),
      ...this.#lockFor(key),
    };
    if (encryption !== null) {
      input.ServerSideEncryption = encryption.algorithm;
      if (encryption.keyId !== null) input.SSEKMSKeyId = encryption.keyId;
    }
    await this.#use(({ sdk, client }) => client.send(new sdk.PutObjectCommand(input)));
  }

  putAll(objects: readonly NewObject[]): Promise<void> {
    return putEach(this, objects);
  }

  async get(key: string): Promise<Buffer | null> {
    const place = this.#place(key);
    return this.#use(async ({ sdk, client }) => {
      const { Body, ContentLength = 0 } = await client.send(new sdk.GetObjectCommand(place));
      try {
        checkSize(key, ContentLength);
      } catch (error) {
        if (Body instanceof Readable) Body.destroy();
        throw error;
      }
      return Body === undefined ? Buffer.of() : Buffer.from(await Body.transformToByteArray());
    }).catch(nullIfMissing);
  }

  async has(key: string): Promise<boolean> {
    const place = this.#place(key);
    const found = await this.#use(({ sdk, client }) => client.send(new sdk.HeadObjectCommand(place))).catch(
      nullIfMissing,
    );
    return found !== null;
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    checkPrefix(prefix);
    const { bucket, prefix: own } = this.#options;
    let token: string | undefined;
    do {
      const page = await this.#use(({ sdk, client }) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: bucket,
            Prefix: own + prefix,
            ContinuationToken: token,
          }),
        ),
      );
      for (const { Key = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
        const key = Key.slice(own.length);
        if (isKey(key)) yield { key, bytes: Size, storedAt: LastModified };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async delete(key: string): Promise<void> {
    const place = this.#place(key);
    await this.#use(({ sdk, client }) => client.send(new sdk.DeleteObjectCommand(place)));
  }

  /**
   * In a bucket with versions, `delete` hides an object only. A locked object is hidden, so that no backup uses it.
   *
   * @throws LockedObject
   */
  async erase(key: string): Promise<void> {
    const { Bucket, Key } = this.#place(key);
    const isOwn = (version: { Key?: string | undefined }) => version.Key === Key;
    const remove = (VersionId: string | undefined) =>
      this.#use(({ sdk, client }) => client.send(new sdk.DeleteObjectCommand({ Bucket, Key, VersionId })));
    for (;;) {
      const listed = await this.#use(({ sdk, client }) =>
        client.send(new sdk.ListObjectVersionsCommand({ Bucket, Prefix: Key })),
      );
      const versions = (listed.Versions ?? []).filter(isOwn);
      const markers = (listed.DeleteMarkers ?? []).filter(isOwn);
      if (versions.length + markers.length === 0) return;
      if (versions.some(({ IsLatest }) => IsLatest)) await this.delete(key);
      const kept: { id: string | undefined; error: TargetProblem }[] = [];
      for (const { VersionId: id } of versions)
        await remove(id).catch((error: unknown) => {
          if (!(error instanceof TargetProblem) || error.reason !== 'refused') throw error;
          kept.push({ id, error });
        });
      if (kept.length > 0) throw await this.#describeLocks(key, kept);
      for (const { VersionId } of markers) await remove(VersionId);
    }
  }

  /** The lock of versions that ends last, or the error of the first one without a lock. */
  async #describeLocks(
    key: string,
    versions: readonly { id: string | undefined; error: TargetProblem }[],
  ): Promise<TargetProblem> {
    let last: LockedObject | null = null;
    for (const { id, error } of versions) {
      const lock = await this.#readLock(key, id);
      if (lock === null) return error;
      if (last === null || lock.until === null || (last.until !== null && lock.until > last.until))
        last = new LockedObject(this.#where, key, lock.until, { cause: error });
    }
    return last as TargetProblem;
  }

  /** Null without one, and when it cannot be read. */
  async #readLock(key: string, VersionId: string | undefined): Promise<{ until: Date | null } | null> {
    const head = await this.#use(({ sdk, client }) =>
      client.send(new sdk.HeadObjectCommand({ ...this.#place(key), VersionId })),
    ).catch(() => null);
    if (head?.ObjectLockLegalHoldStatus === 'ON') return { until: null };
    const until = head?.ObjectLockRetainUntilDate;
    return until === undefined ? null : { until };
  }

  /** An object appears when it is complete, so nothing is left of others. */
  removeUnfinished(): Promise<void> {
    return Promise.resolve();
  }

  async eraseAll(prefix: string): Promise<void> {
    for await (const { key } of this.list(prefix)) await this.delete(key);
  }

  #place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#options.prefix + checkKey(key) };
  }

  #lockFor(key: string): Partial<PutObjectCommandInput> {
    const { lockDays } = this.#options;
    // The key of a database that is erased must go at once.
    if (lockDays === null || key.startsWith(ERASABLE_PREFIX)) return {};
    return {
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: new Date(Date.now() + lockDays * DAY_MS),
    };
  }

  async #use<T>(work: (loaded: { sdk: Sdk; client: S3Client }) => Promise<T>): Promise<T> {
    try {
      this.#loaded ??= this.#load();
      return await work(await this.#loaded);
    } catch (error) {
      if (isMissingObject(error)) throw error;
      throw problemOfS3(this.#where, error) ?? error;
    }
  }

  /** The client is large, and loaded for this kind of target only. */
  async #load(): Promise<{ sdk: Sdk; client: S3Client }> {
    const { endpoint, region, credentials, connectTimeoutMs, idleTimeoutMs } = this.#options;
    const sdk = await import('./s3-client.ts');
    const client = new sdk.S3Client({
      region,
      ...(endpoint === null ? {} : { endpoint }),
      ...(credentials === null ? {} : { credentials }),
      forcePathStyle: true,
      maxAttempts: ATTEMPTS,
      requestHandler: {
        connectionTimeout: connectTimeoutMs,
        socketTimeout: idleTimeoutMs,
      },
      // Older servers do not know the newer checksums.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
    return { sdk, client };
  }
}

const REASONS: Readonly<Record<string, TargetReason>> = {
  CredentialsProviderError: 'credentials',
  InvalidAccessKeyId: 'credentials',
  SignatureDoesNotMatch: 'credentials',
  ExpiredToken: 'credentials',
  InvalidToken: 'credentials',
  AccessDenied: 'refused',
  NoSuchBucket: 'missing',
  TimeoutError: 'slow',
  RequestTimeout: 'slow',
  SlowDown: 'slow',
  ServiceUnavailable: 'away',
  InternalError: 'away',
  QuotaExceeded: 'full',
  InsufficientStorage: 'full',
  XMinioStorageFull: 'full',
  InvalidRequest: 'refused',
};

const NEW_TOKEN = 'set a new AWS_SESSION_TOKEN with its keys, then restart the daemon';
const CORRECT_FILE = 'or the file of AWS_SHARED_CREDENTIALS_FILE, then restart the daemon';

const NEXT_STEPS: Readonly<Record<string, string>> = {
  CredentialsProviderError:
    'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE, for the daemon',
  InvalidAccessKeyId: `correct AWS_ACCESS_KEY_ID, ${CORRECT_FILE}`,
  SignatureDoesNotMatch: `correct AWS_SECRET_ACCESS_KEY, ${CORRECT_FILE}`,
  ExpiredToken: NEW_TOKEN,
  InvalidToken: NEW_TOKEN,
  NoSuchBucket: 'create the bucket, or correct BACKUP_TARGET',
  AccessDenied: 'allow the account to list, read, write and delete objects of the bucket',
  RequestTimeTooSkewed: 'correct the clock of this host',
  PermanentRedirect: 'set the region or the endpoint of the bucket in BACKUP_TARGET',
  AuthorizationHeaderMalformed: 'set the region of the bucket in BACKUP_TARGET',
};

/** Of certificates, by Node's TLS. */
const CERTIFICATE = /CERT|SIGNATURE|ISSUER|ALTNAME/;

function problemOfS3(where: string, error: unknown): TargetProblem | null {
  if (!(error instanceof Error) || error instanceof DamagedObject) return null;
  const { name } = error;
  const { $metadata, code } = error as { $metadata?: { httpStatusCode?: number }; code?: unknown };
  const reason = REASONS[name] ?? (NEXT_STEPS[name] === undefined ? null : 'refused');
  if (reason !== null) return problemOf(reason, where, error, NEXT_STEPS[name]);
  const ofSystem = problemOfSystem(where, error);
  if (ofSystem !== null) return ofSystem;
  if (typeof code === 'string' && CERTIFICATE.test(code)) return problemOf('untrusted', where, error);
  const status = $metadata?.httpStatusCode ?? 0;
  if (status === 401 || status === 403) return problemOf('credentials', where, error);
  if (status === 507) return problemOf('full', where, error);
  if (status >= 500) return problemOf('away', where, error);
  return status >= 400 ? problemOf('refused', where, error) : null;
}

function isMissingObject(error: unknown): boolean {
  return error instanceof Error && ['NoSuchKey', 'NotFound'].includes(error.name);
}

function nullIfMissing(error: unknown): null {
  if (isMissingObject(error)) return null;
  throw error;
}
