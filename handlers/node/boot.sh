#!/usr/bin/env bash
# Bring the node's package up to what its stack names, then become the worker.
#
# systemd runs this at every start, so a stack update reaches the node when it next wakes: nobody
# logs in, and nothing is pushed to a machine that is usually off.
#
# Reads    TL_SETTINGS_PARAMETER   SSM parameter with the settings document; "package" in it is the
#                                  ARN of the layer version that holds node.zip
#          AWS_REGION              where both are
#          TL_HOME                 where node.zip and its environment live (/opt/tinyllama)
#          STATE_DIRECTORY         what survives an update (/var/lib/tinyllama; systemd sets it)
#          TL_PYTHON               the interpreter (python3.11)
set -euo pipefail

: "${TL_SETTINGS_PARAMETER:?names the SSM parameter with the settings}"
: "${AWS_REGION:?names the region of the stack}"
# The CLI reads the one name, boto3 in the worker the other.
export AWS_REGION AWS_DEFAULT_REGION="${AWS_REGION}"
home="${TL_HOME:-/opt/tinyllama}"
state="${STATE_DIRECTORY:-/var/lib/tinyllama}"
python="${TL_PYTHON:-python3.11}"
package="${home}/node.zip"

say() { printf 'boot: %s\n' "$*" >&2; }

# As Lambda writes it: base64 of the SHA-256. Python, as it is the one tool that must be here anyway.
sha256_of() {
  "${python}" -I -c 'import base64, hashlib, sys
print(base64.b64encode(hashlib.sha256(open(sys.argv[1], "rb").read()).digest()).decode())' "$1"
}

# One file out of the package.
member() {
  "${python}" -I -c 'import sys, zipfile
sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' "${package}" "$1"
}

settings="$(aws ssm get-parameter --name "${TL_SETTINGS_PARAMETER}" \
  --query Parameter.Value --output text)"
layer="$("${python}" -I -c 'import json, sys; print(json.load(sys.stdin)["package"])' \
  <<<"${settings}")"
# Not read from a pipe: there a failing call would go unseen.
content="$(aws lambda get-layer-version-by-arn --arn "${layer}" \
  --query '[Content.Location, Content.CodeSha256]' --output text)"
read -r location sha256 <<<"${content}"

mkdir -p "${home}"
# In the same folder, so that mv only renames and a crash leaves the old package or the new one.
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

# The next start runs the boot.sh of this package. A rename, because this one is being read.
member node/boot.sh >"${fresh}"
chmod 0755 "${fresh}"
mv -f "${fresh}" "${home}/boot.sh"

# What the worker needs beside its zip is listed in it, with hashes. The environment is named by
# that list: it is made once for each list, and one that was left half made has no mark.
member requirements.txt >"${fresh}"
list_sha256="$(sha256_of "${fresh}")"
# Base64 may hold a slash.
environment="${home}/venv-${list_sha256//[!a-zA-Z0-9]/}"
if [[ ! -f "${environment}/complete" ]]; then
  say "making ${environment}"
  # Older ones go first: the disk is small, and only this one will be used.
  rm -rf "${home}"/venv-*
  "${python}" -m venv "${environment}"
  "${environment}/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
    --require-hashes --only-binary :all: --requirement "${fresh}"
  touch "${environment}/complete"
fi

# exec does not run the trap.
rm -f "${fresh}"
mkdir -p "${state}"
exec "${environment}/bin/python" -I "${package}" run \
  --settings-parameter "${TL_SETTINGS_PARAMETER}" --state-dir "${state}"
