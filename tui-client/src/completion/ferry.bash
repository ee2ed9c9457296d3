# Completion of ferry for bash. ferry itself knows what fits; this hands it the words and shows its answers.
_ferry() {
    # Bash cuts words at ':' and '=' too; what no blank separates is put together again, up to the cursor.
    local line=${COMP_LINE:0:COMP_POINT} words=() i part gap
    for ((i = 0; i <= COMP_CWORD; i++)); do
        gap=${line%%[![:blank:]]*}
        line=${line#"$gap"}
        part=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && part=$line
        line=${line#"$part"}
        if ((i == 0)) || [[ -n $gap ]]; then
            words+=("$part")
        else
            words[${#words[@]} - 1]+=$part
        fi
    done
    local last=$((${#words[@]} - 1)) current typed answer shown
    current=${words[last]}
    COMPREPLY=()
    # With '~' and open quotes bash's own completion of files knows better.
    if [[ $current == [\~\"\']* ]]; then
        compopt -o default 2>/dev/null
        return
    fi
    typed=("${words[@]//\\/}")
    # What bash takes for a word of its own behind the last ':' or '=' is all that it replaces.
    local kept=""
    if [[ ${COMP_WORDBREAKS-} == *:* && $current == *:* ]]; then kept=${current%"${current##*:}"}; fi
    if [[ ${COMP_WORDBREAKS-} == *=* && $current == *=* && ${#kept} -eq 0 ]]; then kept=${current%"${current##*=}"}; fi
    while IFS=$'\t' read -r answer _; do
        printf -v shown %q "$answer"
        COMPREPLY+=("${shown#"$kept"}")
    done < <(FERRY_COMPLETE=bash _CLAP_COMPLETE_INDEX=$last ferry -- "${typed[@]}" 2>/dev/null)
    # A site wants a path behind it, a folder what is in it, a flag with '=' its value.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:/=] ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o bashdefault -F _ferry ferry
