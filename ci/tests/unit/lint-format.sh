#!/bin/bash
# Every C source is as clang-format leaves it.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mapfile -t files < <(git ls-files '*.c' '*.h')
[ ${#files[@]} -gt 0 ] || { echo "no sources found"; exit 1; }
status=0
for file in "${files[@]}"; do
	clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || { echo "FAIL $file: run clang-format -i $file"; status=1; }
done
exit $status
