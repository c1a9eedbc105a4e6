# SPDX-License-Identifier: Apache-2.0
# What bootstrap.sh and the other scripts share. Sourced by bash, from the top folder.

say() { printf '%s\n' "espalier: $*"; }
die() { printf '%s\n' "espalier: $*" >&2; exit 1; }

# Names of the packages in scripts/packages.txt.
package_list() { awk '!/^#/ && NF { print $1 }' scripts/packages.txt; }

# Those of the given packages that are not installed. Asks dpkg alone: no network.
missing_packages() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      printf '%s\n' "$package"
  done
}

require_debian_12() {
  local id=unknown version=''
  # OS_RELEASE: for tests.
  id=$(. "${OS_RELEASE:-/etc/os-release}" 2>/dev/null && printf '%s' "${ID:-}") || true
  version=$(. "${OS_RELEASE:-/etc/os-release}" 2>/dev/null && printf '%s' "${VERSION_ID:-}") || true
  [[ $id == debian && $version == 12 ]] ||
    die "this is ${id:-an unknown system}${version:+ $version}, and bootstrap.sh installs packages on Debian 12 alone;" \
      "it needs g++ 12 or clang 19, CMake 3.25, Ninja and the libraries named in" \
      "scripts/packages.txt: install these, then: cmake --preset release && cmake --build --preset release"
}

# apt-get as root, or through sudo: the one thing that needs root.
apt_get() {
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      die "root must install these packages once: apt-get $*"
    as_root=(sudo)
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# Installs what is missing; does nothing, and needs no network, when nothing is.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  say "installing ${missing[*]}"
  apt_get install --no-install-recommends "${missing[@]}" && return
  say "the package lists may be old: updating them"
  apt_get update
  apt_get install --no-install-recommends "${missing[@]}"
}

# Dies unless this user can build in the folder, which may not be there yet.
require_writable() {
  local place=$1
  while [[ ! -e $place ]]; do place=$(dirname "$place"); done
  local log=$1/.ninja_log
  [[ -w $place ]] && { [[ ! -e $log ]] || [[ -w $log ]]; } && return
  die "$(id -un 2>/dev/null || id -u) cannot build in $PWD, since $place belongs to" \
    "$(stat -c %U "$place"): be that user, or make a clone of your own." \
    "A demo that is built already needs no more than scripts/demo --build $1"
}

# build PRESET [TARGET...]: configures and builds a preset (see CMakePresets.json), all of it if no
# target is named; what is up to date is left alone.
build() {
  local preset=$1
  shift
  require_writable "build/$preset"
  [[ -f build/$preset/build.ninja ]] || cmake --preset "$preset"
  cmake --build --preset "$preset" ${1:+--target "$@"}
}

# Runs the tests of a preset, and leaves the result in build/PRESET/tests.xml.
run_tests() {
  local preset=$1 results
  results=$PWD/build/$preset/tests.xml
  rm -f "$results"
  # The verdict is scripts/tally's, which also judges the skips.
  ctest --preset "$preset" -j "$(nproc)" --no-tests=error --output-junit "$results" </dev/null || true
}
