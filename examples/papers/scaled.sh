#!/bin/sh
# The runs that two cores can do: DATA=folder OUT=folder SEEDS=0-5 sh scaled.sh [options such as --dry-run]
# DATA holds MNIST/raw, FashionMNIST/raw, COVID-Radiography and cifar10-subset-png (train/CLASS, test/CLASS).
set -e
here=$(cd "$(dirname "$0")" && pwd)
data=$(cd "${DATA:?give the folder of the pictures, as DATA=folder}" && pwd)
out=${OUT:-scaled}
seeds=${SEEDS:-0-5}
narrow=vgg11:width=0.25
cifar=folder:cifar10-subset-png

# A narrow network, trained on five classes of CIFAR-10, in place of ImageNet weights.
prunebench run --datasets "$cifar,classes=airplane/automobile/bird/cat/deer" --data-root "$data" --models $narrow \
    --criteria dense_continued --keep units=1 --seeds 0 --epochs 40 --rate 0.01 \
    --sparse-epochs 0 --rung-epochs 0 --finetune-epochs 0 --results "$out/source"
source=$(python -c "from prunebench import Results
print(Results.read('$out/source').records[0].network)")
transfer="--models $narrow --weights $out/source/stages/$source/weights.safetensors --data-root $data --seeds $seeds"

published() { # the five networks of 2021
    # shellcheck disable=SC2086 - the words of $transfer are options
    python "$here/five_networks.py" --results "$out/published" $transfer "$@"
}
corrected() {
    # shellcheck disable=SC2086
    prunebench run --preset "$here/reg-obd-2021-corrected.toml" --results "$out/corrected" $transfer "$@"
}
paintings() { # two classes that the source has not seen, in place of two styles of painting
    # shellcheck disable=SC2086
    prunebench run --preset "$here/taylor-2020-$1.toml" --results "$out/taylor-$1" $transfer --normalise data \
        --datasets "$2" --train-fraction 0.3 $options
}

options=$*
published --datasets "mnist_2021:size=32,channels=3" $options
corrected --datasets "mnist:size=32,channels=3,augment=none" $options
published --datasets "fashion_mnist_2021:size=32,channels=3" $options
corrected --datasets "fashion_mnist:size=32,channels=3,augment=flip" $options
covid="--train-fraction 1 --frozen-epochs 25 --sparse-epochs 30 --rung-epochs 5 --finetune-epochs 5"
published --datasets "covid_radiography:channels=3,augment=flip" $covid --calibration 2000 --strength 5e-9 $options
corrected --datasets "covid_radiography:channels=3,twins=drop" $covid $options
unseen=classes=dog/frog/horse/ship/truck
published --datasets "folder_2021:cifar10-subset-png,$unseen" --train-fraction 0.5 --calibration 2500 $options
corrected --datasets "$cifar,$unseen,augment=flip" --train-fraction 0.5 $options
paintings as-published "folder_2021:cifar10-subset-png,classes=dog/horse,share=1"
paintings corrected "$cifar,classes=dog/horse,augment=flip"
