/**
 * Validates a record, and lets pass what this save leaves as it is: a field that an administrator made required, or stricter,
 * after the record was there must not keep an account from being locked out, nor its password from being changed.
 *
 * @param e of onRecordValidate
 * @throws the validation errors, if one concerns a field that this save changes
 */
function validateChanges(e) {
  try {
    e.next();
  } catch (error) {
    // Errors of fields alone have this; by name, with what is wrong.
    if (!error.value || !error.value.marshalJSON) throw error;
    const fields = Object.keys(JSON.parse(toString(error.value.marshalJSON())));
    const before = e.record.original();
    const isChanged = (name) => JSON.stringify(e.record.get(name)) !== JSON.stringify(before.get(name));
    if (fields.some(isChanged)) throw error;
  }
}

module.exports = { validateChanges };
