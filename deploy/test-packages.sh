#!/usr/bin/env bash
# What the tests need beside Python: programs that nobody here wrote. As root on Debian the
# missing ones are installed, and no service is started by that; otherwise they are named.
set -euo pipefail

# program:package
needed=(
  radclient:freeradius-utils
  freeradius:freeradius
  pmacctd:pmacct
  radsecproxy:radsecproxy
  eapol_test:eapoltest
  openssl:openssl
  faketime:faketime
  ip:iproute2
  nft:nftables
  iptables-legacy:iptables
  opennds:opennds
  curl:curl
  wget:wget
  busybox:busybox
  conntrack:conntrack
  dnsmasq:dnsmasq-base
  rsyslogd:rsyslog
  udhcpc:udhcpc
  ulogd:ulogd2
  kea-dhcp4:kea-dhcp4-server
  dhcpd:isc-dhcp-server
  tcpdump:tcpdump
  softflowd:softflowd
  fprobe:fprobe
  nfcapd:nfdump
  tshark:tshark
  ps:procps
  hostapd:hostapd
  wpa_supplicant:wpasupplicant
  chromium:chromium
  slapd:slapd
  ldapmodify:ldap-utils
  psql:postgresql-client
  pdftotext:poppler-utils
  xmllint:libxml2-utils
  zbarimg:zbar-tools
  gcc:gcc
  make:make
  dpkg-source:dpkg-dev
)
# A domain controller takes half a minute of every run, so only `make test-all` has one.
if [ -n "${YUENYAN_TEST_ALL:-}" ]; then
  needed+=(samba:samba-ad-dc samba-tool:samba ntlm_auth:winbind)
  # At level 3 openNDS encrypts with PHP.
  needed+=(php:php-cli)
fi
# chrony takes the place of systemd-timesyncd: not on a machine that keeps its time by it.
[ -d /run/systemd/system ] || needed+=(chronyd:chrony)
PATH=$PATH:/usr/sbin:/sbin
missing=()
for pair in "${needed[@]}"; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null ||
  missing+=(postgresql)
[ -z "${YUENYAN_TEST_ALL:-}" ] || [ -d /usr/share/samba/setup ] ||
  missing+=(samba-ad-provision samba-dsdb-modules samba-vfs-modules)
compgen -G '/usr/share/fonts/*/tlwg/*' >/dev/null || missing+=(fonts-thai-tlwg)
# What WeasyPrint loads to make PDF.
for library in pango-1.0.so.0:libpango-1.0-0 pangoft2-1.0.so.0:libpangoft2-1.0-0 \
  harfbuzz-subset.so.0:libharfbuzz-subset0; do
  compgen -G "/usr/lib/*/lib${library%%:*}" >/dev/null || missing+=("${library##*:}")
done
compgen -G '/usr/lib/*/rsyslog/lmnsd_gtls.so' >/dev/null || missing+=(rsyslog-gnutls)
[ -e /usr/include/openssl/ssl.h ] || missing+=(libssl-dev)

peer_with_teap() { # some 20 seconds the first time, then nothing
  deploy/eapol-test-teap.sh ||
    echo "make test: no eapol_test with TEAP, so the tests with it do not run" >&2
}

if [ ${#missing[@]} -eq 0 ]; then
  peer_with_teap
  exit 0
fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "make test: installing ${missing[*]}"
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
  peer_with_teap
  exit 0
fi

echo "make test: these Debian packages are missing: ${missing[*]}" >&2
echo "make test: as root, 'apt-get install ${missing[*]}' lets the tests with them run" >&2
[ -z "${CI:-}" ] || exit 1
