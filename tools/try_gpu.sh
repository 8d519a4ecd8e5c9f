#!/usr/bin/env bash
# Tries on an account, in about ten minutes, what no machine without a GPU can show, and prints what it saw.
# Nobody has run it yet.
#
#     tools/try_gpu.sh STACK PROMPT-TOKEN-FILE
#
# STACK is deployed with UseGpu=true and its node is installed. The file holds an access token (epic 2 says how
# to get one); it is read once and never printed. The script sends the same four prompts twice, on t3.small and
# on g4dn.xlarge, reads the node's log group and the GPU's metrics, and puts the type back, also when it fails.
# It costs less than 0.20 USD.
set -euo pipefail

stack="${1:?name the stack}"
token="$(<"${2:?name the file with an access token}")"
group="/ec2/node/${stack}"

say() { printf '%s\n' "$*"; }

output() {
  aws cloudformation describe-stacks --stack-name "${stack}" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}

node="$(output NodeId)"
api="$(output ApiEndpoint)"

be() {
  aws ec2 stop-instances --instance-ids "${node}" >/dev/null
  aws ec2 wait instance-stopped --instance-ids "${node}"
  aws ec2 modify-instance-attribute --instance-id "${node}" --instance-type "$1"
}

trap 'say "putting the type back"; be t3.small' EXIT

# The token goes by a file: an argument could be read by any user of this machine.
call() {
  curl --fail --silent --show-error --max-time 30 --header @<(printf 'authorization: Bearer %s\n' "${token}") "$@"
}

# Send four prompts at once and wait for their replies; print each state that a job went through.
ask() {
  local ids=() id state seen started
  started="${SECONDS}"
  for n in 1 2 3 4; do
    id="$(call --header 'content-type: application/json' --data "{\"prompt\":\"Count to ten, way ${n}.\"}" "${api}/infer" \
      | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')"
    ids+=("${id}")
  done
  for id in "${ids[@]}"; do
    seen=""
    while ((SECONDS - started < 300)); do
      state="$(call "${api}/infer/${id}" | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])')"
      [[ "${seen}" == *"${state}" ]] || seen="${seen} ${state}"
      [[ "${state}" == "done" || "${state}" == "failed" ]] && break
      sleep 2
    done
    say "  job:${seen} after $((SECONDS - started)) s"
  done
}

# Print the lines of the node's log since a time in ms that match a pattern of CloudWatch.
lines() {
  aws logs filter-log-events --log-group-name "${group}" --start-time "$1" --filter-pattern "$2" \
    --query 'events[].message' --output text | tr '\t' '\n' | tail -n 8 | sed 's/^/  /'
}

try() {
  local began
  say "== $1"
  be "$1"
  began="$(date +%s%3N)"
  ask
  sleep 20
  say "started, disk left:"
  lines "${began}" '?"model: starting" ?"bytes are free"'
  say "offload (only on g4dn.xlarge):"
  lines "${began}" '"offloaded"'
  say "tokens per second:"
  lines "${began}" '"tokens per second"'
  say "model ready, failures:"
  lines "${began}" '?model_ready ?auto_stop ?"model: "'
  for metric in GpuUtilization GpuMemoryUsed; do
    say "${metric}: $(aws cloudwatch get-metric-statistics --namespace "TinyLlama/${stack}" --metric-name "${metric}" \
      --start-time "$(date -u -d '-15 minutes' +%FT%TZ)" --end-time "$(date -u +%FT%TZ)" --period 900 \
      --statistics Maximum --query 'Datapoints[].Maximum' --output text)"
  done
}

try t3.small
try g4dn.xlarge
