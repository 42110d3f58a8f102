# bash completion for sluicectl

_sluicectl_command() {
    local i
    for ((i = 1; i < COMP_CWORD; ++i)); do
        case ${COMP_WORDS[i]} in
        -u | --url | -t | --token-file) ((++i)) ;;
        -*) ;;
        *)
            printf '%s' "${COMP_WORDS[i]}"
            return
            ;;
        esac
    done
}

_sluicectl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words
    COMPREPLY=()
    case $before in
    -t | --token-file | -o | --output)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --sort)
        mapfile -t COMPREPLY < <(compgen -W "bytes age hits" -- "$word")
        return
        ;;
    -u | --url | -n | --count | --prefix | --host) return ;;
    esac
    case $(_sluicectl_command) in
    "") words="status watch trim cleanup purge simulate report snapshot top alerts leaks operations events
               --url --token-file --json --help --version" ;;
    purge) words="--prefix --all --host" ;;
    report) words="--output" ;;
    top) words="--count --sort" ;;
    watch) words="--count" ;;
    events) words="--count --all" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _sluicectl sluicectl
