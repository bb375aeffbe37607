#!/usr/bin/env bash
# The whole suite in three parts, so that what waits does not hold up what computes:
# pure tests on two cores, then everything with real programs and the browser beside it.
# Ends with one line; the exit code is 0 only when every part passed.
set -euo pipefail
python=$1/python
began=$SECONDS
verdicts=()
failed=0

part() { # name, then pytest arguments
  local name=$1 code=0
  shift
  echo "== $name"
  "$python" -m pytest -q "$@" || code=$?
  judge "$name" "$code"
}

judge() { # name, exit code
  local name=$1 code=$2
  # 5: nothing was collected, which is no failure of a folder that is still empty.
  case $code in
    0) verdicts+=("$name passed") ;;
    5) verdicts+=("$name empty") ;;
    *) verdicts+=("$name FAILED"); failed=1 ;;
  esac
}

present() { for folder in "$@"; do [ -d "tests/$folder" ] && echo "tests/$folder"; done; true; }

mapfile -t pure < <(present unit vectors contracts fuzz)
mapfile -t real < <(present integration clients)
mapfile -t pages < <(present browser)
[ ${#pure[@]} -eq 0 ] || part pure -n 2 "${pure[@]}"
# The browser draws while the others wait for time-outs; what it says is shown when it is done.
if [ ${#pages[@]} -gt 0 ]; then
  said=$(mktemp)
  trap 'rm -f "$said"' EXIT
  "$python" -m pytest -q -o cache_dir=.pytest_cache/browser "${pages[@]}" >"$said" 2>&1 &
  drawing=$!
fi
if [ ${#real[@]} -gt 0 ]; then
  echo "== real"
  code=0
  "$python" -m pytest -q -n 3 --dist loadgroup --durations=25 --durations-min=4 "${real[@]}" || code=$?
  if [ "$code" = 1 ]; then
    # Some wait for programs that nobody here wrote, and three at a time starve each other on two
    # cores: what failed is run once more, alone. What fails again has failed.
    echo "== real, what failed, alone"
    code=0
    "$python" -m pytest -q --last-failed --last-failed-no-failures none "${real[@]}" || code=$?
  fi
  judge real "$code"
fi
if [ ${#pages[@]} -gt 0 ]; then
  code=0
  wait "$drawing" || code=$?
  echo "== browser"
  cat "$said"
  judge browser "$code"
fi

minutes=$(((SECONDS - began) / 60)) seconds=$(((SECONDS - began) % 60))
result=$([ $failed = 0 ] && echo passed || echo FAILED)
printf 'make test: %s (' "$result"
(IFS=,; printf '%s' "${verdicts[*]}" | sed 's/,/, /g')
printf ') in %d min %02d s\n' "$minutes" "$seconds"
exit $failed
