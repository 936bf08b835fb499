let needed = true;

/** `fathomd users list | head -1` closes the pipe early, and a terminal may go away: neither is an error, and the command ends. */
export function endWithReader(output: NodeJS.WriteStream): void {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    if (needed) process.exit();
  });
}

/** From here on the command comes to its end, whether or not anybody reads what it says. */
export function goOnWithoutReader(): void {
  needed = false;
}
