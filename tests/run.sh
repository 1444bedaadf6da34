#!/usr/bin/env bash
# Everything that guards dcrgate: installs what the suite needs where it is missing, then
# formatting, lints, documentation, dependencies, all tests, and the demo of a release build.
#
#   tests/run.sh                    from any folder; run it again as often as you like
#   CI=1 tests/run.sh               a skip is a failure
#   ADVISORY_DB=DIR tests/run.sh    security advisories from a copy of RustSec's database, not from the network
#
# Needs Rust (rustup), and root or sudo only for Debian packages that are missing. What this
# machine could not provide is listed by name at the end.
set -euo pipefail
[ -z "${ADVISORY_DB:-}" ] || ADVISORY_DB=$(realpath "$ADVISORY_DB")
cd "$(dirname "$0")/.."

CARGO_DENY=0.20.2
NODE=20 # the oldest that oidc-provider starts on
KEYCLOAK=26.7.5 # the newest that is packed as a zip for Maven
DCRGATE_SKIPS=$(mktemp) # tests add their names here, see tests/support/programs.rs
export DCRGATE_SKIPS
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
scratch=$(mktemp -d)
step="start"

finish() {
  status=$?
  [ $status -eq 0 ] || echo "FAILED in: $step" >&2
  if [ -s "$DCRGATE_SKIPS" ]; then
    printf '\nSkipped on this machine:\n'
    sed 's/^SKIPPED /  /' "$DCRGATE_SKIPS"
    if [ -n "${CI:-}" ] && [ $status -eq 0 ]; then
      echo "FAILED: with CI set nothing may be skipped" >&2
      status=1
    fi
  fi
  rm -rf "$scratch" "$DCRGATE_SKIPS"
  exit $status
}
trap finish EXIT

skip() { echo "SKIPPED $1" | tee -a "$DCRGATE_SKIPS"; }
has() { command -v "$1" >/dev/null; }

# step NAME COMMAND…: runs it, and tells how long it took.
step() {
  step=$1
  shift
  printf '\n== %s\n' "$step"
  local began=$SECONDS
  "$@"
  printf '== %s: %d s\n' "$step" $((SECONDS - began))
}

# debian PROGRAM=PACKAGE…: installs the packages of the programs that are missing, without what they recommend.
debian() {
  local pair packages=()
  for pair in "$@"; do has "${pair%%=*}" || packages+=("${pair#*=}"); done
  [ ${#packages[@]} -gt 0 ] || return 0
  install --no-install-recommends "${packages[@]}"
}

# install OPTION… PACKAGE…
install() {
  local as_root=()
  if ! has apt-get; then echo "not Debian: install ${*#-*} yourself" >&2; return 0; fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! has sudo; then echo "neither root nor sudo: cannot install ${*#-*}" >&2; return 0; fi
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -q
  # RUNLEVEL: what comes with a service is wanted for its program, not to serve.
  "${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qy "$@"
}

provide() {
  debian cc=build-essential curl=curl openssl=openssl node=nodejs npm=npm
  # Its programs are not on the PATH of Debian; the tests look where they are.
  if ! has postgres && ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then debian postgres=postgresql; fi
  if ! has cargo; then echo "Rust is missing: https://rustup.rs" >&2; exit 3; fi
  if ! cargo fmt --version >/dev/null 2>&1; then rustup component add rustfmt; fi
  if ! cargo clippy --version >/dev/null 2>&1; then rustup component add clippy; fi
  if [ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $CARGO_DENY" ]; then
    cargo install cargo-deny --locked --version "$CARGO_DENY"
  fi
  local major
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
  if [ "$major" -ge $NODE ] && has npm; then
    packages tests/idp/oidc-provider
  else
    skip "the packages of tests/idp: Node $NODE or later, with npm (here: $major)"
  fi
  identity_servers
}

# Those of other makers, each for the tests of its name in tests/upstreams.
identity_servers() {
  debian glewlwyd=glewlwyd python3=python3 mvn=maven java=default-jre-headless unzip=unzip
  has glewlwyd && [ ! -d /usr/share/doc/dbconfig-sqlite3 ] && install --no-install-recommends dbconfig-sqlite3
  # It does not start without some of what it recommends.
  has starman || install starman liblemonldap-ng-portal-perl || skip "lemonldap-ng: its packages could not be installed"
  keycloak || skip "Keycloak: its distribution could not be fetched"
  django_oauth_toolkit || skip "django-oauth-toolkit: its packages could not be installed"
}

django_oauth_toolkit() {
  local folder=tests/idp/django-oauth-toolkit
  if cmp -s $folder/requirements.txt $folder/.venv/.installed; then return 0; fi
  python3 -c 'import ensurepip' 2>/dev/null || install --no-install-recommends python3-venv
  python3 -m venv --clear $folder/.venv &&
    $folder/.venv/bin/pip install -q --disable-pip-version-check -r $folder/requirements.txt &&
    cp $folder/requirements.txt $folder/.venv/.installed
}

keycloak() {
  local folder=tests/idp/keycloak
  [ "$(cat $folder/distribution/.version 2>/dev/null)" != "$KEYCLOAK" ] || return 0
  if ! has mvn || ! has unzip; then return 1; fi
  rm -rf $folder/distribution
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    -Dartifact="org.keycloak:keycloak-quarkus-dist:$KEYCLOAK:zip" -DoutputDirectory="$scratch" &&
    unzip -q "$scratch/keycloak-quarkus-dist-$KEYCLOAK.zip" -d "$scratch" &&
    mv "$scratch/keycloak-$KEYCLOAK" $folder/distribution &&
    echo "$KEYCLOAK" >$folder/distribution/.version
}

# packages FOLDER: what its lock file names, unless that is there already.
packages() {
  if ! cmp -s "$1/package-lock.json" "$1/node_modules/.installed"; then
    npm ci --prefix "$1" && cp "$1/package-lock.json" "$1/node_modules/.installed"
  fi
}

documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items; }

dependencies() {
  if grep -n '"resolved"' tests/idp/*/package-lock.json; then
    echo "a lock file names a host: npm install --omit-lockfile-registry-resolved" >&2
    return 1
  fi
  cargo deny check bans licenses sources
}

# cargo deny wants a database as it fetched it: a repository under a name of its own.
advisories() {
  local name=advisory-db-3157b0e258782691
  sed "s|^\[advisories\]|&\ndb-path = \"$scratch\"|" .deny.toml >"$scratch/deny.toml"
  if [ -n "${ADVISORY_DB:-}" ]; then
    mkdir "$scratch/$name"
    cp -r "$ADVISORY_DB/crates" "$scratch/$name"
    git -C "$scratch/$name" init -q
    git -C "$scratch/$name" -c core.autocrlf=false add .
    git -C "$scratch/$name" -c user.name=copy -c user.email=copy@localhost commit -qm copy
    touch "$scratch/$name/.git/FETCH_HEAD"
  elif ! timeout 120 cargo deny --config "$scratch/deny.toml" fetch db >"$scratch/fetch.log" 2>&1; then
    skip "advisories: RustSec's database could not be fetched (set ADVISORY_DB to a copy of it)"
    return 0
  fi
  cargo deny --offline --config "$scratch/deny.toml" check advisories
}

demo() {
  cargo build --locked --release
  "${CARGO_TARGET_DIR:-target}/release/dcrgate" demo --once
}

# Every policy against its cases, every change of a policy noticed by one, and the cases over the wire.
policies() {
  local dcrgate="${CARGO_TARGET_DIR:-target}/release/dcrgate" cases
  "$dcrgate" policy test --mutate policies
  for cases in policies/*.cases.toml; do
    cases=$(basename "$cases" .cases.toml)
    if ! "$dcrgate" demo --once --port 0 --policy "$cases" >"$scratch/played"; then
      grep -v '^ok' "$scratch/played"
      return 1
    fi
    printf '%s: %s\n' "$cases" "$(grep ' as expected$' "$scratch/played")"
  done
}

step "what the suite needs" provide
step "formatting" cargo fmt --check
step "lints" cargo clippy --locked --all-targets -- -D warnings
step "documentation" documentation
step "dependencies" dependencies
step "advisories" advisories
step "tests" cargo test --locked
step "demo of a release build" demo
step "policies" policies
