#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Espalier from a fresh Debian 12, in one command. Run again, it installs and rebuilds nothing.
set -euo pipefail
umask 022  # a plugin that its group may write is refused
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/common.sh

usage() {
  cat <<'TEXT'
usage: ./bootstrap.sh COMMAND
  demo      two gateways in network namespaces carry real traffic through ESP; the first time
            it builds what it needs, which takes minutes, then it takes 15 s;
            demo --shell: opens a shell beside the two gateways, which run until it ends
  test      builds and runs every test that this machine can run
  sanitize  the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
  fuzz      each fuzz target for a minute, or SECONDS: ./bootstrap.sh fuzz 1800
  build     installs what is missing and builds, no more
  lint      clang-format and clang-tidy over what differs from main
Root is needed for apt-get alone, and asked for when a package is missing.
TEXT
}

# prepare PRESET [TARGET...]
prepare() {
  require_debian_12
  mapfile -t packages < <(package_list)
  install_packages "${packages[@]}"
  build "$@"
}

case ${1:-} in
  demo)
    prepare release espalier espalier_probe plugins/all
    shift
    exec scripts/demo --build build/release "$@"
    ;;
  test)
    rm -f build/release/tests.xml
    prepare release
    if tests/vm/fetch-kernel; then
      tests/vm/build-netdevsim || say "no netdevsim for tests/vm, which will say so"
    else
      say "no kernel for tests/vm, which will say so"
    fi
    run_tests release
    exec scripts/tally build/release/tests.xml
    ;;
  sanitize)
    rm -f build/asan/tests.xml
    prepare asan
    run_tests asan
    exec scripts/tally build/asan/tests.xml
    ;;
  fuzz)
    rm -f build/fuzz/tests.xml
    require_debian_12
    install_packages clang-19 libclang-rt-19-dev
    mapfile -t packages < <(package_list)
    install_packages "${packages[@]}"
    cmake --preset fuzz -DESPALIER_FUZZ_SECONDS="${2:-60}"
    cmake --build --preset fuzz
    run_tests fuzz
    exec scripts/tally build/fuzz/tests.xml
    ;;
  build) prepare release ;;
  lint)
    require_debian_12
    install_packages clang-format-19 clang-tidy-19
    prepare debug
    exec scripts/lint
    ;;
  -h | --help | help) usage ;;
  *)
    [[ -z ${1:-} ]] || say "there is no command '$1'" >&2
    usage >&2
    exit 2
    ;;
esac
