/**
 * Validates a record, and accepts the fields that this save does not change. An administrator can make a field required or
 * stricter after the record exists. An account must still be deactivated then, and its password changed.
 *
 * @param {core.RecordEvent} e of onRecordValidate
 * @throws the validation errors, if one concerns a field that this save changes
 */
function validateChanges(e) {
  try {
    e.next();
  } catch (error) {
    const fields = invalidFieldsOf(error);
    if (!fields) throw error;
    const before = e.record.original();
    /** @param {string} name */
    const isChanged = (name) => JSON.stringify(e.record.get(name)) !== JSON.stringify(before.get(name));
    if (fields.some(isChanged)) throw error;
  }
}

/**
 * The names of the fields that failed, or null for another error. Only validation errors have a Go value with JSON.
 *
 * @param {any} error
 */
function invalidFieldsOf(error) {
  if (!error.value || !error.value.marshalJSON) return null;
  return Object.keys(JSON.parse(toString(error.value.marshalJSON())));
}

module.exports = { validateChanges };
