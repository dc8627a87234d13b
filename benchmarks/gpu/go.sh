#!/bin/sh
# Joins the parts beside it and runs the GPU benchmark; the result goes to $OUT (default: this folder). Needs no network,
# no root and nothing installed but the GPU's driver. "protocol" as the first word trains on the bundle's data set instead.
# Options are those of run.mjs, or of protocol.mjs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here}
app=$here/semiseg-gpu
[ -x "$app/node" ] || cat "$here"/semiseg-gpu.tar.gz.* | tar -C "$here" -xzf -
export LD_LIBRARY_PATH="$app/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
[ ! -d "$app/cache" ] || export SEMISEG_CACHE="$app/cache"
export SEMISEG_COMMIT="$(cat "$app/commit")"
# Containers often have NVIDIA's library without the file that tells the Vulkan loader of it.
if [ -z "${VK_ICD_FILENAMES:-}" ] && [ -z "$(ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json 2>/dev/null)" ]; then
  printf '{"file_format_version":"1.0.0","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3.0"}}' > "$app/nvidia_icd.json"
  export VK_ICD_FILENAMES="$app/nvidia_icd.json"
fi
script=run result=gpu-step
if [ "${1:-}" = protocol ]; then
  shift
  script=protocol result=gpu-protocol
  [ ! -d "$app/data" ] || export SEMISEG_DATA="$app/data"
fi
exec "$app/node" "$app/benchmarks/gpu/$script.mjs" --out "$out/$result.json" "$@"
