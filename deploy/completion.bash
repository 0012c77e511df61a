# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of bulkheadctl for bash. Verbs and flags are asked of the program itself, names of policies of the store, for a second.

_bulkheadctl_words() {
    local IFS=$'\n'
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

# What follows a flag that has a value.
_bulkheadctl_value() {
    case $1 in
        -f | --filename | --redis-*) compopt -o default 2>/dev/null; COMPREPLY=() ;;
        -o | --output) _bulkheadctl_words $'table\nwide\nyaml\njson\ndot' ;;
        --protocol) _bulkheadctl_words $'tcp\nudp\nicmp\nicmpv6\nsctp\nudplite' ;;
        --redis | --timeout | --label | --node | --from | --to | --port | --source-port | --icmp-type) COMPREPLY=() ;;
        *) return 1 ;;
    esac
}

_bulkheadctl_policies() {
    "$1" get policies --timeout 1 2>/dev/null | sed '1d;s/ .*//'
}

# Operands, by the verb and what stands before.
_bulkheadctl_operands() {
    local program=$1 verb=$2 first=$3
    case $verb/$first in
        get/ | delete/)
            if [[ $verb == get ]]; then
                _bulkheadctl_words "$("$program" help get 2>/dev/null | sed -n 's/^Usage: [^ ]* get \([a-z|]*\).*/\1/p' | tr '|' '\n')"
            else
                _bulkheadctl_words policy
            fi
            ;;
        get/pol* | delete/pol*) _bulkheadctl_words "$(_bulkheadctl_policies "$program")" ;;
        network/) _bulkheadctl_words $'strict\nlabelled\noff\ndefault' ;;
        label/) _bulkheadctl_words container ;;
        store/) _bulkheadctl_words accept ;;
        help/) _bulkheadctl_words "$("$program" help 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\).*/\1/p')" ;;
        *) COMPREPLY=() ;;
    esac
}

_bulkheadctl() {
    local program=$1 verb="" first="" i word
    # a line of the terminal's is split at colons and equals signs too: what stands after those is a value
    [[ ${COMP_WORDS[COMP_CWORD]} == [:=] ]] && { COMPREPLY=(); return; }
    _bulkheadctl_value "${COMP_WORDS[COMP_CWORD - 1]}" && return
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            -f | --filename | -o | --output | --redis | --redis-* | --timeout | --label | --node | --from | --to | --protocol | \
                --port | --source-port | --icmp-type) ((i++)) ;;
            -*) ;;
            *) if [[ -z $verb ]]; then verb=$word; elif [[ -z $first ]]; then first=$word; fi ;;
        esac
    done
    if [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
        _bulkheadctl_words "$("$program" "${verb:-version}" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p')"
    elif [[ -z $verb ]]; then
        _bulkheadctl_operands "$program" help ""
    else
        _bulkheadctl_operands "$program" "$verb" "$first"
    fi
}

complete -F _bulkheadctl bulkheadctl
