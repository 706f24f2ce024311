#!/usr/bin/env bash
# Builds the fuzz targets and runs each for a time, as many beside each other as there are cores. Exit code 1 when one
# found something.
#
#   tests/fuzz/run.sh [SECONDS] [TARGET…]     default: 60 seconds, every target
#   KEEP=1 tests/fuzz/run.sh …                afterwards, adds to tests/fuzz/corpora what reached something new
#   BUILD=DIR tests/fuzz/run.sh …             another build directory than build/fuzz
#
# Findings and logs are kept in BUILD/findings/<target>; run BUILD/tests/fuzz/fuzz_<target> FILE to repeat one.
set -euo pipefail
cd "$(dirname "$0")/../.."

export BUILD=${BUILD:-build/fuzz} KEEP=${KEEP:-0} SECONDS_EACH=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  targets=(h1_request h1_response chunked path host client_address proxy_protocol client_hello h2_server h2_client fcgi_response grpc manifests snippet stream_entry annotations options templates rewrite passwords digest accepts session_cookie replacement auth_answer compression grpc_health cdn_loop pacing lifetime json_list watch)
fi

cmake --preset fuzz -B "$BUILD" >/dev/null
cmake --build "$BUILD" --target "${targets[@]/#/fuzz_}"

run_one() {
  local target=$1 dictionary=tests/fuzz/http.dict longest
  local binary=$BUILD/tests/fuzz/fuzz_$target seeds=tests/fuzz/corpora/$target
  local learnt=$BUILD/corpora/$target findings=$BUILD/findings/$target
  case $target in
    h1_* | fcgi_*) longest=1100 ;;
    chunked) longest=2048 ;;
    path) longest=256 ;;
    host | stream_entry) longest=300 ;;
    client_address) longest=512 ;;
    proxy_protocol) longest=600 dictionary=tests/fuzz/proxy_protocol.dict ;;
    grpc | grpc_health) longest=256 dictionary=tests/fuzz/http.dict ;;
    h2_*) longest=2048 dictionary=tests/fuzz/http.dict ;;
    client_hello) longest=2048 dictionary=tests/fuzz/client_hello.dict ;;
    annotations | options | passwords | replacement) longest=600 dictionary=tests/fuzz/values.dict ;;
    compression | cdn_loop | lifetime | pacing) longest=400 dictionary=tests/fuzz/fields.dict ;;
    digest | accepts | session_cookie) longest=512 dictionary=tests/fuzz/fields.dict ;;
    auth_answer) longest=1100 dictionary=tests/fuzz/fields.dict ;;
    templates | rewrite) longest=400 dictionary=tests/fuzz/values.dict ;;
    snippet) longest=2048 dictionary=tests/fuzz/snippet.dict ;;
    *) longest=4096 dictionary=tests/fuzz/manifests.dict ;;
  esac
  mkdir -p "$seeds" "$learnt" "$findings"

  if ! "$binary" -max_total_time="$SECONDS_EACH" -max_len="$longest" -timeout=10 -rss_limit_mb=2048 -dict="$dictionary" \
      -artifact_prefix="$findings/" -print_final_stats=1 -verbosity=0 "$learnt" "$seeds" >"$findings/log" 2>&1; then
    tail -n 60 "$findings/log"
    echo "fuzz: $target: FINDING, see $findings"
    return 1
  fi
  echo "fuzz: $target: no finding in $SECONDS_EACH s, $(awk '/number_of_executed_units/ { print $2 }' "$findings/log") inputs"

  if [ "$KEEP" = 1 ]; then
    # Only inputs that reach something new are added; the named ones stay.
    "$binary" -merge=1 -max_len="$longest" -timeout=10 -verbosity=0 "$seeds" "$learnt" >/dev/null 2>&1
    echo "fuzz: $target: $(find "$seeds" -type f | wc -l) inputs kept"
  fi
}
export -f run_one

printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'set -euo pipefail; run_one "$1"' _ {}
