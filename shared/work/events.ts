import type {
  ActivityDto,
  CommentDto,
  DependencyDto,
  LlmContextDto,
  SprintDto,
  SwimLaneDto,
  TimeEntryDto,
  WorkItemDto,
} from './api/answers.ts';

export const WORK_ACTIONS = ['created', 'updated', 'deleted', 'restored'] as const;

export type WorkAction = (typeof WORK_ACTIONS)[number];

/** What has events, and its state in them. */
interface Entities {
  work_item: WorkItemDto;
  sprint: SprintDto;
  comment: CommentDto;
  time_entry: TimeEntryDto;
  dependency: DependencyDto;
  swim_lane: SwimLaneDto;
  llm_context: LlmContextDto;
}

export type WorkEntity = keyof Entities;

export const WORK_ENTITIES = [
  'work_item',
  'sprint',
  'comment',
  'time_entry',
  'dependency',
  'swim_lane',
  'llm_context',
] as const satisfies readonly WorkEntity[];

/** A change in a project. */
export type WorkEvent = {
  [E in WorkEntity]: {
    kind: `${E}.${WorkAction}`;
    /** Of the entity. */
    id: string;
    project_id: string;
    /** Names of the fields that an update changed. */
    changed: string[];
    /** The id of the member; null for superusers and the system. */
    actor_id: string | null;
    actor_kind: ActivityDto['actor_kind'];
    /** In milliseconds since 1970. */
    at: number;
    /** The entity when the event was sent, so it may contain later changes. Null when it is deleted. */
    data: Entities[E] | null;
  };
}[WorkEntity];
