/** The result of a rotation of the master key: numbers of secrets. */
export interface RotationResult {
  /** Encrypted with the current key by this rotation. */
  rotated: number;
  /** Already encrypted with the current key. */
  current: number;
  /** Could not be decrypted with any configured key; the daemon's log lists them. */
  failed: number;
}

/** Which master keys the stored secrets need. */
export interface SecretsStatus {
  /** An id of AES_MASTER_KEY that reveals nothing about the key. */
  current_key: string;
  /** Whether a rotation is running. */
  rotating: boolean;
  /** `opens`: the key is configured, as the current or the previous one. */
  secrets: { collection: string; key_id: string; count: number; opens: boolean }[];
}
