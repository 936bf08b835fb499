import { join } from 'node:path';
import { ApiKeyRepository } from '../accounts/sessions/api-key-repository.ts';
import { Identities } from '../accounts/sessions/identities.ts';
import { SessionRepository } from '../accounts/sessions/session-repository.ts';
import { Sessions } from '../accounts/sessions/sessions.ts';
import { Tickets } from '../accounts/sessions/tickets.ts';
import { SignInBudget } from '../accounts/sign-in/sign-in-budget.ts';
import { SignInLimits } from '../accounts/sign-in/sign-in-limits.ts';
import { PasswordStrength } from '../accounts/sign-up/password-strength.ts';
import { SignUpLimits } from '../accounts/sign-up/sign-up-limits.ts';
import { UserRepository } from '../accounts/user-repository.ts';
import { ArchiveFiles } from '../audit/archive/archive-files.ts';
import { type ArchiveStep, AuditArchive } from '../audit/archive/audit-archive.ts';
import { AuditRepository } from '../audit/audit-repository.ts';
import { AuditTrail } from '../audit/audit-trail.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config } from '../config/config.ts';
import type { ControlPlaneClient } from '../control-plane/client.ts';
import type { EventBus } from '../events/bus.ts';
import type { Caller } from '../http/caller.ts';
import { deriveKey } from '../keys/derived-keys.ts';
import type { MasterKeys } from '../keys/envelope.ts';
import type { Seal } from '../keys/master-keys.ts';
import { readSealedSecret } from '../secrets/sealed-secrets.ts';
import { SecretRotation } from '../secrets/secret-rotation.ts';

interface IdentityServices {
  sessions: Sessions;
  sessionRepository: SessionRepository;
  apiKeyRepository: ApiKeyRepository;
  identities: Identities;
  tickets: Tickets<Caller>;
  audit: AuditTrail;
  auditArchive: AuditArchive;
  auditRepository: AuditRepository;
  signInLimits: SignInLimits;
  signUpLimits: SignUpLimits;
  passwordStrength: PasswordStrength;
  users: UserRepository;
  signInBudget: SignInBudget;
  secretRotation: SecretRotation;
}

/** Creates the services that identify callers and record what they did. */
export function createIdentityServices(deps: {
  config: Config;
  options: { auditRetentionMs?: number; onArchiveStep?: (step: ArchiveStep) => void };
  controlPlane: ControlPlaneClient;
  masterKeys: MasterKeys;
  seal: Seal;
  bus: EventBus;
  clock: Clock;
  log: Logger;
}): IdentityServices {
  const { config, options, controlPlane, masterKeys, seal, bus, clock, log } = deps;
  const sessions = new Sessions({ ...config.jwt, clock });
  const sessionRepository = new SessionRepository(controlPlane);
  const apiKeyRepository = new ApiKeyRepository(controlPlane);
  const auditRepository = new AuditRepository(controlPlane);
  // Stored, because the chain must survive a change of the key from which it was derived.
  const auditKey = () =>
    readSealedSecret('audit-chain', deriveKey(config.pbEncryptionKey, 'audit-chain', 32), {
      client: controlPlane,
      masterKeys,
      seal,
    });
  const auditArchive = new AuditArchive({
    repository: auditRepository,
    files: new ArchiveFiles(join(config.dataDir, 'audit')),
    key: auditKey,
    retentionMs: options.auditRetentionMs ?? config.auditRetentionMs,
    onStep: options.onArchiveStep,
    clock,
    log,
  });
  const passwordStrength = new PasswordStrength(clock);
  return {
    sessions,
    sessionRepository,
    apiKeyRepository,
    identities: new Identities({ sessions, sessionRepository, apiKeyRepository, clock, log }),
    tickets: new Tickets<Caller>(clock),
    auditArchive,
    auditRepository,
    audit: new AuditTrail({
      repository: auditRepository,
      archive: auditArchive,
      key: auditKey,
      headFile: join(config.dataDir, 'audit-head.json'),
      bus,
      clock,
      log,
    }),
    secretRotation: new SecretRotation({ client: controlPlane, masterKeys, log }),
    signInLimits: new SignInLimits(config.limits, clock),
    signUpLimits: new SignUpLimits(config.limits.signUps, clock),
    passwordStrength,
    users: new UserRepository(controlPlane, passwordStrength),
    signInBudget: new SignInBudget(),
  };
}
