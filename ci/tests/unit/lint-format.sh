#!/bin/bash
# Every C source is as clang-format leaves it.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mapfile -t files < <(git ls-files '*.c' '*.h')
[ ${#files[@]} -gt 0 ] || { echo "no sources found"; exit 1; }
clang-format --dry-run -Werror "${files[@]}" || { echo "FAIL: run clang-format -i on the files above"; exit 1; }
