#!/usr/bin/env bash
# The model server of the node: one container, on the GPU where there is one and else on the processor.
#
# `model.sh install` fetches what is missing: both images by digest, so that a change of the machine's
# type needs no download, and the weights by hash. `model.sh run` becomes the server. Which of the two
# images runs is decided at each start, so one unit serves t3.small and g4dn.xlarge.
#
# Reads    TL_HOME       where boot.sh has left settings.json (/opt/tinyllama)
#          TL_MODELS     where the weights are (/var/lib/tinyllama-model)
#          TL_PYTHON     the interpreter (python3.11)
#          AWS_REGION    where a failure is counted
# Fails with a line on standard error and a count of ModelFailures by reason: settings, disk, image,
# weights or confinement.
set -euo pipefail

home="${TL_HOME:-/opt/tinyllama}"
models="${TL_MODELS:-/var/lib/tinyllama-model}"
python="${TL_PYTHON:-python3.11}"
# Unpacked, with the layers that are still packed while a pull runs. Measured by nobody yet on AWS.
cuda_bytes=6500000000
cpu_bytes=1000000000
# What logs, journal and updates of the package may need besides.
spare_bytes=2000000000
slice=tinyllama-model.slice

say() { printf 'model: %s\n' "$*" >&2; }

fail() {
  say "$2"
  timeout 20 aws cloudwatch put-metric-data --namespace "TinyLlama/${stack:-unknown}" \
    --metric-name ModelFailures --dimensions "Reason=$1" --unit Count --value 1 \
    || say "ModelFailures is not counted"
  exit 1
}

# The settings, one a line, checked again: they become arguments.
read_settings() {
  "${python}" -I - "${home}/settings.json" <<'PYTHON'
import json
import re
import sys

settings = json.load(open(sys.argv[1], encoding="utf-8"))
server, weights = settings["server"], settings["server"]["weights"]
image = r"[a-z0-9.-]+(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}"
for value, pattern in (
    (settings["stack"], r"[A-Za-z][A-Za-z0-9-]{0,127}"),
    (settings["model"]["name"], r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"),
    (settings["slots"], r"[1-9]|1[0-6]"),
    (server["cudaImage"], image),
    (server["cpuImage"], image),
    (server["context"], r"[1-9][0-9]{2,5}"),
    (weights["url"], r"https://[!-~]{1,500}"),
    (weights["sha256"], r"[0-9a-f]{64}"),
    (weights["bytes"], r"[1-9][0-9]{0,10}"),
):
    if not re.fullmatch(pattern, str(value)):
        sys.exit("model: a setting of the model server is not what it must be")
    print(value)
PYTHON
}

# True if an NVIDIA device answers. Without a device nvidia-smi fails or is missing.
has_gpu() {
  local listed
  listed="$(timeout 20 nvidia-smi -L 2>/dev/null)" && [[ "${listed}" == "GPU "* ]]
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# Before anything is downloaded: images and weights that are missing, against what is free of the 30 GiB.
need_space() {
  local needed=0 free_bytes part_bytes=0
  has_image "${cuda_image}" || needed=$((needed + cuda_bytes))
  has_image "${cpu_image}" || needed=$((needed + cpu_bytes))
  if [[ ! -f "${weights}" ]]; then
    part_bytes="$(stat --format=%s "${weights}.part" 2>/dev/null || echo 0)"
    needed=$((needed + weights_bytes - part_bytes))
  fi
  if ((needed == 0)); then
    return
  fi
  free_bytes="$(df --output=avail --block-size=1 "${models}" | tail -n 1)"
  if ((free_bytes < needed + spare_bytes)); then
    fail disk "needs ${needed} bytes and ${spare_bytes} to spare; $((free_bytes)) are free"
  fi
}

fetch_image() {
  has_image "$1" && return
  say "pulling $1"
  timeout 1500 docker pull --quiet "$1" >/dev/null || fail image "$1 cannot be pulled"
}

download() {
  curl --fail --silent --show-error --location --proto '=https' --retry 3 --max-time 1500 \
    --max-filesize "${weights_bytes}" --continue-at - --output "${weights}.part" "${url}"
}

fetch_weights() {
  [[ -f "${weights}" ]] && return
  local received code=0
  say "downloading the weights, ${weights_bytes} bytes"
  # What an interrupted download left is gone on with. A server that cannot do that (33) begins anew.
  download || code=$?
  if ((code == 33)); then
    rm -f "${weights}.part"
    code=0
    download || code=$?
  fi
  ((code == 0)) || fail weights "the weights cannot be downloaded"
  received="$(sha256sum "${weights}.part" | cut -d ' ' -f 1)"
  if [[ "${received}" != "${sha256}" ]]; then
    rm -f "${weights}.part"
    fail weights "the weights have sha256 ${received}, not ${sha256}; they were removed"
  fi
  chmod 0444 "${weights}.part"
  mv "${weights}.part" "${weights}"
}

# Weights of another hash are of an earlier setting.
drop_old_weights() {
  local other
  for other in "${models}"/*.gguf "${models}"/*.part; do
    if [[ -e "${other}" && "${other}" != "${weights}" && "${other}" != "${weights}.part" ]]; then
      say "removing ${other##*/}"
      rm -f "${other}"
    fi
  done
}

# The container uses the machine's network, so that its port is on 127.0.0.1 alone, and the slice denies
# it every other address, the metadata service's among them. Without that it must not run.
confined() {
  [[ "$(docker info --format '{{.CgroupDriver}}')" == systemd ]] \
    && [[ "$(systemctl show --property IPAddressDeny --value "${slice}")" == *"0.0.0.0/0"* ]]
}

run() {
  local image="${cpu_image}"
  local gpu=() layers=()
  if has_gpu; then
    image="${cuda_image}"
    gpu=(--gpus all)
    layers=(--n-gpu-layers 999)
  fi
  confined || fail confinement "${slice} does not keep the server from other addresses; not started"
  # A container that a crash left has the name; that there is none is as good.
  docker rm --force tinyllama-model >/dev/null 2>&1 || true
  say "starting ${image}, ${slots} slots of ${context} tokens${gpu:+, on the GPU}"
  exec docker run --rm --name tinyllama-model --pull never --cgroup-parent "${slice}" \
    --network host --user 65534:65534 --read-only --tmpfs /tmp:rw,noexec,nosuid,size=64m \
    --cap-drop ALL --security-opt no-new-privileges --pids-limit 256 --log-driver none \
    --env HOME=/tmp --env CUDA_CACHE_DISABLE=1 \
    --mount "type=bind,source=${weights},target=/model.gguf,readonly" "${gpu[@]}" "${image}" \
    --host 127.0.0.1 --port 8080 --model /model.gguf --alias "${name}" \
    --threads "$(nproc)" --parallel "${slots}" --ctx-size "$((context * slots))" \
    --no-context-shift "${layers[@]}"
}

read_all="$(read_settings)" || fail settings "the settings name no model server"
{
  read -r stack
  read -r name
  read -r slots
  read -r cuda_image
  read -r cpu_image
  read -r context
  read -r url
  read -r sha256
  read -r weights_bytes
} <<<"${read_all}"
weights="${models}/${sha256}.gguf"

case "${1:-}" in
  install)
    mkdir -p "${models}"
    drop_old_weights
    need_space
    fetch_weights
    fetch_image "${cpu_image}"
    fetch_image "${cuda_image}"
    say "installed: $(df --output=avail --block-size=1 "${models}" | tail -n 1 | tr -d ' ') bytes are free"
    ;;
  run) run ;;
  *)
    say "usage: model.sh install|run"
    exit 2
    ;;
esac
