import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/config.ts';
import { AuditRepository } from '../control-plane/audit-repository.ts';
import { AuditTrail } from '../control-plane/audit-trail.ts';
import type { ControlPlaneClient } from '../control-plane/client.ts';
import { Identities } from '../control-plane/identities.ts';
import { sealedSecret } from '../control-plane/sealed-secrets.ts';
import { SecretRotation } from '../control-plane/secret-rotation.ts';
import { SessionRepository } from '../control-plane/session-repository.ts';
import type { EventBus } from '../events/bus.ts';
import { deriveKey } from '../security/derived-keys.ts';
import type { MasterKeys } from '../security/envelope.ts';
import type { Seal } from '../security/master-keys.ts';
import { Sessions } from '../security/sessions.ts';
import { SignInLimits } from '../security/sign-in-limits.ts';
import { Tickets } from '../security/tickets.ts';
import type { Caller } from './caller.ts';
import type { ApiDeps } from './deps.ts';

type IdentityServices = Pick<
  ApiDeps,
  | 'sessions'
  | 'sessionRepository'
  | 'identities'
  | 'tickets'
  | 'audit'
  | 'auditRepository'
  | 'signInLimits'
  | 'secretRotation'
>;

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
