#!/usr/bin/env bash
# Builds eapol_test with TEAP, which Debian's has not, from Debian's source of wpa: some 20
# seconds of one core, kept in the user's cache. With --path it only tells where that is.
# Needs gcc, make, dpkg-dev and libssl-dev, and a Debian mirror; no root.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/yuenyan
program=$cache/eapol_test-teap-$(sha256sum deploy/eapol-test-teap.sh | cut -c1-12)
if [ "${1:-}" = --path ]; then
  echo "$program"
  exit 0
fi
[ -x "$program" ] && exit 0

for tool in gcc make dpkg-source apt-get; do
  command -v "$tool" >/dev/null || {
    echo "$0: $tool is missing: apt-get install gcc make dpkg-dev libssl-dev" >&2
    exit 1
  }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/sources" "$cache"

# Sources of our own list alone: nothing of the machine's settings is changed.
. /etc/os-release
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d \
  2>/dev/null | grep -v snapshot | head -n 1 | tr -d ' ' || true)
[ -n "$mirror" ] || { echo "$0: no Debian mirror stands in /etc/apt" >&2; exit 1; }
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
  "$mirror $VERSION_CODENAME main" >"$work/sources/own.list"
apt=(-qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources"
  -o "Dir::State::lists=$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o APT::Sandbox::User=)
apt-get update "${apt[@]}"
cd "$work"
apt-get source "${apt[@]}" wpa >/dev/null
cd wpa-*/

# Where wpa_supplicant 2.10 is not what RFC 9930 describes and Windows does:
# What TEAP takes of EAP-MSCHAPv2 are its keys with their halves exchanged (section 3.6.3), so the
# one for sending and the one for receiving change places. 2.11 does it by itself.
once() { # pattern, file: the number of the only line that matches
  local found
  found=$(grep -nE "$1" "$2" | cut -d: -f1)
  [[ $found =~ ^[0-9]+$ ]] || { echo "$0: $2 has not one line like $1" >&2; exit 1; }
  echo "$found"
}
peer=src/eap_peer/eap_teap.c mschapv2=src/eap_peer/eap_mschapv2.c
if ! grep -q eap_fast_mschapv2 $peer; then
  sends=$(once 'master_key, key, MSCHAPV2_KEY_LEN, 1,$' $mschapv2)
  receives=$(once '^\s+MSCHAPV2_KEY_LEN, 0, 0\) < 0' $mschapv2)
  sed -i -e "${sends}s/, 1,/, 0,/" -e "${receives}s/, 0, 0)/, 1, 0)/" $mschapv2
fi
# A Crypto-Binding is looked at before the next method begins (section 4.3), and not with the keys
# of one that has not run yet: what stands third comes first.
password=$(once '^\s+if \(tlv\.basic_auth_req\) \{$' $peer)
binding=$(once '^\s+if \(tlv\.crypto_binding\) \{$' $peer)
after=$(once '^\s+if \(data->result_success_done && data->session_ticket_used &&$' $peer)
if [ "$password" -lt "$binding" ]; then
  {
    head -n $((password - 1)) $peer
    sed -n "${binding},$((after - 1))p" $peer
    sed -n "${password},$((binding - 1))p" $peer
    tail -n "+$after" $peer
  } >"$work/mended.c"
  mv "$work/mended.c" $peer
fi

# Resumption is there, behind "#if 0". It comes to its end without the callback for PACs (given up by
# RFC 9930), which breaks off each handshake with a ticket, and when the tunnel is bound alone: what
# was proven inside the last time is not proven again.
reauth=$(once '^static void \* eap_teap_init_for_reauth\(' $peer)
callback=$(once '^\s+if \(tls_connection_set_session_ticket_cb\(' $peer)
[ "$(grep -c '^#if 0' $peer)" = 2 ] || { echo "$0: $peer has not two #if 0" >&2; exit 1; }
sed -i -e 's/^#if 0/#if 1/' -e "${callback}s/if (/if (0 \&\& /" \
  -e '/data->done_on_tx_completion = 0;/d' \
  -e "${reauth},\$s/data->phase2_success = 0;/data->phase2_success = 1;/" \
  -e "${reauth},\$s/data->resuming = 1;/& data->phase2_method = NULL; data->phase2_priv = NULL;/" $peer

cat >wpa_supplicant/.config <<'CONFIG'
CONFIG_DRIVER_NONE=y
CONFIG_IEEE8021X_EAPOL=y
CONFIG_EAPOL_TEST=y
CONFIG_EAP_TEAP=y
CONFIG_EAP_MSCHAPV2=y
CONFIG_EAP_GTC=y
CONFIG_EAP_MD5=y
CONFIG_EAP_TLS=y
CONFIG_TLS=openssl
CONFIG_BACKEND=file
CONFIG_TESTING_OPTIONS=y
NEED_BASE64=y
CONFIG
make -s -C wpa_supplicant eapol_test >"$work/build.log" 2>&1 || {
  tail -n 20 "$work/build.log" >&2
  exit 1
}
install -m 755 wpa_supplicant/eapol_test "$program"
