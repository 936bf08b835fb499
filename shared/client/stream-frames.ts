import type { ServerFrame } from '../server-frames.ts';

/**
 * Parses a frame of the daemon; null if it is invalid. Checks only the envelope: the daemon builds its frames from the same
 * types, and loading zod would take a fifth of the start of the console.
 */
export function parseServerFrame(text: string): ServerFrame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isServerFrame(value) ? value : null;
}

function isServerFrame(value: unknown): value is ServerFrame {
  if (!isRecord(value)) return false;
  switch (value['type']) {
    case 'snapshot':
      return isPosition(value) && typeof value['data'] === 'object' && value['data'] !== null;
    case 'event':
      return isPosition(value) && isRecord(value['event']) && typeof value['event']['kind'] === 'string';
    case 'error':
      return typeof value['message'] === 'string' && typeof value['code'] === 'string';
    case 'ok':
    case 'pong':
      return true;
    default:
      return false;
  }
}

function isPosition(value: Record<string, unknown>): boolean {
  return typeof value['topic'] === 'string' && Number.isSafeInteger(value['seq']);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
