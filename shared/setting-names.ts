/** Values of settings by name, from the environment or a file. */
export type SettingValues = Readonly<Record<string, string | undefined>>;

/** The name with a double underscore between its words: FATHOM__SERVER__PORT for SERVER_PORT, FATHOM__WEB for FATHOM_WEB. */
export function nestedNameOf(name: string): string {
  return `FATHOM__${name.replace(/^FATHOM_/, '').replaceAll('_', '__')}`;
}

/** The value of a setting, by either of its names. An empty value, as in `LOG_DIR=`, counts as not set. */
export function valueOf(values: SettingValues, name: string): string | undefined {
  return [values[name], values[nestedNameOf(name)]].find(
    (value) => value !== undefined && value.trim() !== '',
  );
}

/** Whether both names of a setting have a value, and not the same one. */
export function hasConflict(values: SettingValues, name: string): boolean {
  const nested = valueOf({ [name]: values[nestedNameOf(name)] }, name);
  return nested !== undefined && valueOf(values, name)?.trim() !== nested.trim();
}
