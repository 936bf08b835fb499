import { join } from 'node:path';
import { Identities } from '../accounts/sessions/identities.ts';
import { SessionRepository } from '../accounts/sessions/session-repository.ts';
import { Sessions } from '../accounts/sessions/sessions.ts';
import { Tickets } from '../accounts/sessions/tickets.ts';
import { SignInLimits } from '../accounts/sign-in/sign-in-limits.ts';
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
import { sealedSecret } from '../secrets/sealed-secrets.ts';
import { SecretRotation } from '../secrets/secret-rotation.ts';

interface IdentityServices {
  sessions: Sessions;
  sessionRepository: SessionRepository;
  identities: Identities;
  tickets: Tickets<Caller>;
  audit: AuditTrail;
  auditRepository: AuditRepository;
  signInLimits: SignInLimits;
  secretRotation: SecretRotation;
}

/** What tells who calls, and writes down what they did. */
export function identityServices(deps: {
  config: Config;
  controlPlane: ControlPlaneClient;
  masterKeys: MasterKeys;
  seal: Seal;
  bus: EventBus;
  clock: Clock;
  log: Logger;
}): IdentityServices {
  const { config, controlPlane, masterKeys, seal, bus, clock, log } = deps;
  const sessions = new Sessions({ ...config.jwt, clock });
  const sessionRepository = new SessionRepository(controlPlane);
  const auditRepository = new AuditRepository(controlPlane);
  return {
    sessions,
    sessionRepository,
    identities: new Identities({ sessions, repository: sessionRepository, clock, log }),
    tickets: new Tickets<Caller>(clock),
    auditRepository,
    audit: new AuditTrail({
      repository: auditRepository,
      // Kept, as the chain outlives the key that it was first derived from.
      key: () =>
        sealedSecret('audit-chain', deriveKey(config.pbEncryptionKey, 'audit-chain', 32), {
          client: controlPlane,
          masterKeys,
          seal,
        }),
      headFile: join(config.dataDir, 'audit-head.json'),
      bus,
      clock,
      log,
    }),
    secretRotation: new SecretRotation({ client: controlPlane, masterKeys, log }),
    signInLimits: new SignInLimits(config.limits, clock),
  };
}
