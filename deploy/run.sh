#!/usr/bin/env bash
# `make run`: set the site up with a first administrator, then run everything until Ctrl-C.
# Repeatable: what is there stays. Writes nothing outside the data directory.
set -euo pipefail
yuenyan=$1/yuenyan
python=$1/python

data_dir=$("$python" -c 'from common.config import load, locate; print(load(locate(None)).data_dir)')
note=$data_dir/first-admin.txt

umask 027
if [ -s "$note" ]; then
  # Made before, maybe not to the end; an account that is there keeps its password.
  sed -n 's/^password: //p' "$note" | "$yuenyan" init --admin admin --admin-password-stdin
elif [ -e "$data_dir/keys/vault.key" ]; then
  "$yuenyan" init
else
  mkdir -p "$data_dir"
  password=$("$python" -c 'import secrets; print(secrets.token_urlsafe(12))')
  # The note is written first: a password that nobody can read again would lock the site.
  (umask 077 && printf 'user: admin\npassword: %s\n' "$password" >"$note")
  printf '%s\n' "$password" | "$yuenyan" init --admin admin --admin-password-stdin
  echo
  echo "First administrator: admin    password: $password"
  echo "(kept in $note, readable by you alone; change it, then delete the file)"
  echo
fi
exec "$yuenyan" serve
