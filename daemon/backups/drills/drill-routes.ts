import { checkEscrow, drillBackup } from '../../../shared/api/drills.ts';
import { FathomError } from '../../../shared/errors.ts';
import { type Api, serve } from '../../http/serve.ts';
import { answered } from '../run/answered.ts';
import type { Backups } from '../service/backups.ts';
import type { Drills } from './drills.ts';

export interface DrillRoutesDeps {
  drills: Drills;
  backups: Backups;
}

/** Registers the routes of drills. */
export function drillRoutes(app: Api, { drills, backups }: DrillRoutesDeps): void {
  serve(app, drillBackup, ({ params }) => drills.drill(params.name));

  serve(app, checkEscrow, async () => {
    const found = await answered(backups.proofs.checkEscrow());
    if (found !== null) return found;
    throw new FathomError(
      'not_found',
      "there is no recovery key, so there is no escrow; run 'fathomd backups recovery-key'",
    );
  });
}
