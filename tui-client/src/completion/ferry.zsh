#compdef ferry
# Completion of ferry for zsh. ferry itself knows what fits; this hands it the words and shows its answers.
_ferry() {
    local -a typed lines plain open
    local line answer about
    if [[ $PREFIX == '~'* ]]; then
        _files
        return
    fi
    typed=("${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}")
    lines=("${(@f)$(FERRY_COMPLETE=zsh _CLAP_COMPLETE_INDEX=$((CURRENT - 1)) ferry -- "${typed[@]}" 2>/dev/null)}")
    for line in $lines; do
        answer=${line%%$'\t'*}
        about=${line#*$'\t'}
        if [[ $answer == *[:/=] ]]; then
            open+=("$answer")
        elif [[ $about != "$line" && -n $about ]]; then
            plain+=("${answer//:/\\:}:$about")
        else
            plain+=("${answer//:/\\:}")
        fi
    done
    # A site wants a path behind it, a folder what is in it, a flag with '=' its value.
    (( $#open )) && compadd -S '' -- $open
    (( $#plain )) && _describe -t ferry 'ferry' plain
}
if [[ $funcstack[1] == _ferry ]]; then
    _ferry "$@"
else
    compdef _ferry ferry
fi
