#!/bin/sh
# The runs that two cores can do: DATA=folder OUT=folder SEEDS=0-5 FRACTION=0.1 sh scaled.sh [options such as --dry-run]
# DATA holds MNIST/raw, FashionMNIST/raw, COVID-Radiography and cifar10-subset-png (train/CLASS, test/CLASS).
# FRACTION: share of the training pictures of MNIST and Fashion-MNIST; the paper's is 0.1.
set -e
here=$(cd "$(dirname "$0")" && pwd)
data=$(cd "${DATA:?give the folder of the pictures, as DATA=folder}" && pwd)
out=${OUT:-scaled}
few="--train-fraction ${FRACTION:-0.1}"
options=$*
cifar=folder:cifar10-subset-png
unseen=classes=dog/frog/horse/ship/truck

# A narrow network, trained on five classes of CIFAR-10, in place of ImageNet weights.
narrow="--models vgg11:width=0.25 --data-root $data"
prunebench run --datasets "$cifar,classes=5" $narrow --criteria dense_continued --keep units=1 --seeds 0 \
    --epochs 40 --rate 0.01 --sparse-epochs 0 --rung-epochs 0 --finetune-epochs 0 --results "$out/source"
key=$(python -c "from prunebench import Results; print(Results.read('$out/source').records[0].network)")
transfer="$narrow --weights $out/source/stages/$key/weights.safetensors --seeds ${SEEDS:-0-5} $options"
# At the papers' rates its one linear layer would stay at chance for these few steps.
adam="--rate 1e-3 --frozen-rate 3"
sgd="--rate 1e-2 --frozen-rate 1"

published() { # the five networks of 2021
    python "$here/five_networks.py" --results "$out/published" $transfer $adam "$@"
}
corrected() {
    prunebench run --preset "$here/reg-obd-2021-corrected.toml" --results "$out/corrected" $transfer $adam "$@"
}

published --datasets mnist_2021:size=32,channels=3 $few
corrected --datasets mnist:size=32,channels=3,augment=none $few
published --datasets fashion_mnist_2021:size=32,channels=3 $few
corrected --datasets fashion_mnist:size=32,channels=3,augment=flip $few

covid="--train-fraction 1 --frozen-epochs 25 --sparse-epochs 30 --rung-epochs 5 --finetune-epochs 5"
published --datasets covid_radiography:channels=3,augment=flip $covid --calibration 2000 --strength 5e-9
corrected --datasets covid_radiography:channels=3,twins=drop $covid

# Five classes that the source has not seen in place of STL-10, two of them in place of two styles of painting.
published --datasets "folder_2021:cifar10-subset-png,$unseen" --train-fraction 0.5 --calibration 2500
corrected --datasets "$cifar,$unseen,augment=flip" --train-fraction 0.5

prunebench run --preset "$here/taylor-2020-as-published.toml" --results "$out/taylor-published" $transfer $sgd \
    --datasets folder_2021:cifar10-subset-png,classes=dog/horse,share=1 --train-fraction 0.26
prunebench run --preset "$here/taylor-2020-corrected.toml" --results "$out/taylor-corrected" $transfer $sgd \
    --datasets "$cifar,classes=dog/horse,augment=flip" --train-fraction 0.26
