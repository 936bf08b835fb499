import { answerSqlWork } from '../../pocketbase/data/sql-processes.ts';
import { findDamage } from '../integrity.ts';

/** A worker thread that reads a whole database, see `SqlProcesses`. */

answerSqlWork(({ file }: { file: string }) => findDamage(file));
