/** Collections whose records are marked as deleted, and removed later. */
const MARKED = [
  'pm_work_items',
  'pm_sprints',
  'pm_comments',
  'pm_time_entries',
  'pm_swim_lanes',
  'pm_llm_context',
];

module.exports = { MARKED };
