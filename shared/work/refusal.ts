/** Why a change of a work item is refused. Clients read the code, people read the message. */
export interface Refusal {
  code: RefusalCode;
  message: string;
}

export type RefusalCode =
  | 'blank'
  | 'unknown_status'
  | 'move_not_allowed'
  | 'invalid_workflow'
  | 'parent_not_allowed'
  | 'parent_required'
  | 'sprint_not_allowed'
  | 'self_dependency'
  | 'circular_dependency'
  | 'version_conflict';
