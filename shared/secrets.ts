/** How a rotation of the master key ended. */
export interface RotationResult {
  /** Wrapped by the current key now. */
  rotated: number;
  /** Were wrapped by it already. */
  current: number;
  /** Could not be opened with any key that is configured; the daemon's log says which. */
  failed: number;
}

/** Which master keys the stored secrets need. */
export interface SecretsStatus {
  /** Names AES_MASTER_KEY, and tells nothing of it. */
  current_key: string;
  /** A rotation is under way. */
  rotating: boolean;
  /** `opens`: the key is configured, as the present one or as the one before. */
  secrets: { collection: string; key_id: string; count: number; opens: boolean }[];
}
