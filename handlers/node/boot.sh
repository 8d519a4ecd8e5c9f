#!/usr/bin/env bash
# Install the node's package in the version that its stack names, and the environment it runs in.
#
# `boot.sh install` runs at the installation, and as root before every start of the worker and of the
# model server, one after the other, so a stack update reaches the node when it next wakes, without a
# login and without a push to a machine that is usually off. The worker itself runs as a user who can
# change none of it.
#
# Without an argument it then becomes the worker: the units of a node that was launched before
# tinyllama-node.service had a user of its own call it so, and no update reaches those units.
#
# Reads    TL_SETTINGS_PARAMETER   SSM parameter with the settings document; "package" in it is the
#                                  ARN of the layer version that holds node.zip
#          AWS_REGION              where both are
#          TL_HOME                 where node.zip and its environment live (/opt/tinyllama)
#          STATE_DIRECTORY         the folder that survives an update (/var/lib/tinyllama; systemd
#                                  sets it)
#          TL_PYTHON               the interpreter (python3.11)
set -euo pipefail

: "${TL_SETTINGS_PARAMETER:?names the SSM parameter with the settings}"
: "${AWS_REGION:?names the region of the stack}"
# The CLI reads AWS_REGION, boto3 in the worker AWS_DEFAULT_REGION.
export AWS_REGION AWS_DEFAULT_REGION="${AWS_REGION}"
home="${TL_HOME:-/opt/tinyllama}"
state="${STATE_DIRECTORY:-/var/lib/tinyllama}"
python="${TL_PYTHON:-python3.11}"
package="${home}/node.zip"

# Without limits a network that is not there takes minutes to say so.
export AWS_MAX_ATTEMPTS=2
soon=(--cli-connect-timeout 5 --cli-read-timeout 15)

say() { printf 'boot: %s\n' "$*" >&2; }

# The SHA-256 as Lambda writes it, in base64. Python computes it, as it must be installed anyway.
sha256_of() {
  "${python}" -I -c 'import base64, hashlib, sys
print(base64.b64encode(hashlib.sha256(open(sys.argv[1], "rb").read()).digest()).decode())' "$1"
}

# Print a file of the package.
member() {
  "${python}" -I -c 'import sys, zipfile
sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' "${package}" "$1"
}

mkdir -p "${home}"
# Worker and model server start at the same time, and both begin with this.
exec 9>"${home}/.lock"
flock 9

settings="$(aws ssm get-parameter --name "${TL_SETTINGS_PARAMETER}" \
  --query Parameter.Value --output text "${soon[@]}")"
layer="$("${python}" -I -c 'import json, sys; print(json.load(sys.stdin)["package"])' \
  <<<"${settings}")"
# Not read from a pipe: a pipe would hide a failing call.
content="$(aws lambda get-layer-version-by-arn --arn "${layer}" \
  --query '[Content.Location, Content.CodeSha256]' --output text "${soon[@]}")"
read -r location sha256 <<<"${content}"

# In the same folder, so that mv only renames and a crash leaves the old package or the new package.
fresh="$(mktemp "${home}/.node.XXXXXXXX")"
trap 'rm -f "${fresh}"' EXIT

installed=""
if [[ -f "${package}" ]]; then
  installed="$(sha256_of "${package}")"
fi
if [[ "${installed}" != "${sha256}" ]]; then
  say "installing ${layer}"
  curl --fail --silent --show-error --location --retry 3 --max-time 120 \
    --output "${fresh}" "${location}"
  received="$(sha256_of "${fresh}")"
  if [[ "${received}" != "${sha256}" ]]; then
    say "the package does not have the hash that ${layer} names; nothing was changed"
    exit 1
  fi
  chmod 0644 "${fresh}"
  mv -f "${fresh}" "${package}"
fi

# The next start runs the boot.sh of this package. mv renames, as bash still reads the old file.
member node/boot.sh >"${fresh}"
chmod 0755 "${fresh}"
mv -f "${fresh}" "${home}/boot.sh"
# The same for the model server's script, and for the settings, which it reads: they hold no secret.
member node/model.sh >"${fresh}"
chmod 0755 "${fresh}"
mv -f "${fresh}" "${home}/model.sh"
printf '%s\n' "${settings}" >"${fresh}"
chmod 0644 "${fresh}"
mv -f "${fresh}" "${home}/settings.json"

# The zip lists the packages that the worker needs beside it, with hashes. The environment is named
# by that list: this script makes it once for each list, and marks it when it is complete.
member requirements.txt >"${fresh}"
list_sha256="$(sha256_of "${fresh}")"
# Base64 may hold a slash.
environment="${home}/venv-${list_sha256//[!a-zA-Z0-9]/}"
if [[ ! -f "${environment}/complete" ]]; then
  say "making ${environment}"
  rm -rf "${environment}"
  "${python}" -m venv "${environment}"
  "${environment}/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
    --require-hashes --only-binary :all: --requirement "${fresh}"
  touch "${environment}/complete"
fi
rm -f "${fresh}"

# The units name the environment by this link. The environment before it stays until the next one is
# made, because the watchdog may still read from it; older ones go, as the disk is small.
newest="${environment##*/}"
previous="$(readlink "${home}/venv" || true)"
if [[ "${previous}" != "${newest}" ]]; then
  ln -sfn "${newest}" "${home}/.venv.fresh"
  mv -fT "${home}/.venv.fresh" "${home}/venv"
  for old in "${home}"/venv-*; do
    if [[ "${old##*/}" != "${newest}" && "${old##*/}" != "${previous}" ]]; then
      rm -rf "${old}"
    fi
  done
fi

if [[ "${1:-}" == install ]]; then
  exit 0
fi
mkdir -p "${state}"
exec 9>&-
exec "${environment}/bin/python" -I "${package}" run \
  --settings-parameter "${TL_SETTINGS_PARAMETER}" --state-dir "${state}"
