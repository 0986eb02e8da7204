#!/usr/bin/env bash
# The `mini` model from nothing: worlds, both stages, weights. About half an hour on two cores.
#
#     training/recipes/mini.sh WORK OUT      # an interrupted run goes on when called again
#
# WORK keeps worlds, caches and logs; OUT becomes the model folder.
set -euo pipefail
work=$1 out=$2
start=$(cd "$(dirname "$0")/mini" && pwd)
export HF_HUB_OFFLINE=1
prom3e=${PROM3E:-prom3e-index}
mkdir -p "$work"

# Train and validation worlds; the demo's world (seed 0) is seen by neither.
[ -f "$work/train/observations.csv" ] || "$prom3e" world "$work/train" --observations 6000 --seed 1001
[ -f "$work/val/observations.csv" ] || "$prom3e" world "$work/val" --observations 1500 --seed 1002

# Stage 1. Small networks from random weights want a higher rate than the published fine-tuning.
table="$work/train/observations.csv" encoders="$work/encoders"
mkdir -p "$encoders" && cp "$start/model.toml" "$encoders/"
align() {
  modality=$1 folder=$2
  shift 2
  [ -f "$encoders/$folder.ready" ] && return
  "$prom3e" train align "$modality" "$table" --output "$encoders/$folder" --init "$start/$folder" \
    --cache "$work/cache" --lr 1e-3 --schedule cosine --warmup 0.05 --accumulate 1 --half "$@"
  touch "$encoders/$folder.ready"
}
anchor="$encoders/taxabind-vit-b-16"
align image+text taxabind-vit-b-16 --epochs 16 --batch-size 128
align loc ecogeo --anchor "$anchor" --species true_species --epochs 40 --batch-size 256
align env ecoclim --anchor "$anchor" --species true_species --epochs 40 --batch-size 256
align sat ecosat --anchor "$anchor" --species true_species --epochs 16 --batch-size 128 --loss supcon
align audio ecosound --anchor "$anchor" --species true_species --epochs 14 --batch-size 64 --loss supcon

# Stage 2.
for part in train val; do
  [ -f "$work/$part.npz" ] || "$prom3e" encode "$work/$part/observations.csv" --model "$encoders" \
    --species true_species --output "$work/$part.npz"
done
"$prom3e" train mvae "$work/train.npz" --validation "$work/val.npz" --model "$encoders" --output "$out" \
  --embed-dim 128 --heads 4 --mlp-dim 256 --batch-size 512 --steps 1400 --lr 1e-3 --half --name mini \
  --summary "A tiny model that knows only the demo world: its invented species, places and songs. It shows how the program works; on real observations its answers mean nothing."
