#!/bin/sh
# One backup named by the hour, checked; then the oldest beyond so many are deleted.
#   backup.sh FOLDER HOW_MANY
set -eu
folder=$1 most=$2
counterfoil=$(dirname "$0")/../bin/counterfoil
file=$folder/counterfoil-$(date -u +%Y%m%dT%H%M%SZ).backup
"$counterfoil" backup "$file"
"$counterfoil" backup --check "$file"
# Only when the new one is good do the oldest go, each with the list of what was erased that
# was written beside it, and nothing else: their names sort by time.
# shellcheck disable=SC2012 # the names are our own and hold no blanks
ls -1r "$folder"/counterfoil-*Z.backup | tail -n "+$((most + 1))" |
    while read -r old; do rm -f -- "$old" "$old.erased"; done
