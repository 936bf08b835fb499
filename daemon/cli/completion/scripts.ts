/*
 * Scripts for shells. Each calls fathomd with the word COMPLETE and the words of the line, and gets a candidate per line with its
 * help.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The first word of the command line that the scripts use. */
export const COMPLETE = 'complete';

const BASH = `# Completion of fathomd for bash. Load it with: source <(fathomd completion bash)
_fathomd() {
  local line=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  local candidates
  candidates=$("\${COMP_WORDS[0]}" ${COMPLETE} "\${line[@]}" 2>/dev/null | cut -f1)
  mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _fathomd fathomd
`;

const ZSH = `#compdef fathomd
# Completion of fathomd for zsh. Load it with: source <(fathomd completion zsh)
_fathomd() {
  local -a candidates words_only
  local line word about
  for line in "\${(@f)$("\${words[1]}" ${COMPLETE} "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line ]] && continue
    word=\${line%%$'\\t'*} about=\${line#*$'\\t'}
    words_only+=("$word")
    candidates+=("$word\${about:+  -- $about}")
  done
  if (( \${#words_only} )); then
    compadd -l -d candidates -- "\${words_only[@]}"
  else
    _files
  fi
}
compdef _fathomd fathomd
`;

const FISH = `# Completion of fathomd for fish. Load it with: fathomd completion fish | source
function __fathomd_complete
  set -l line (commandline -opc) (commandline -ct)
  set -l candidates ($line[1] ${COMPLETE} $line[2..] 2>/dev/null)
  if set -q candidates[1]
    printf '%s\\n' $candidates
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c fathomd -f -a '(__fathomd_complete)'
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
