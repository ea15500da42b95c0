"""How well the shipped digit reader reads: ``STRIATE_DATA=… python -m benchmarks.reading``.

Accuracy on MNIST's 10,000 test digits, on 920 photographed digits of other hands, and on 1,797 tiny scans; the share of
answers that the model is sure of and how often these are right; and the calibration error: how far the top probability
is from the share of right answers, averaged over ten bins (Guo et al., 2017).
"""

import csv
import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import striate
from striate.data import decode_image
from striate.errors import DataError

Floats = NDArray[np.float32]


def report(name: str, probabilities: Floats, labels: NDArray[np.intp], threshold: float, unread: int = 0) -> None:
    top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    sure = top >= threshold
    bins = np.minimum((top * 10).astype(int), 9)
    error = sum(abs(top[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    print(
        f"{name}: {right.sum() / (len(labels) + unread):.2%} of {len(labels) + unread:,}; sure of {sure.mean():.1%}, "
        f"right in {right[sure].mean():.2%} of these; calibration error {error:.3f}"
    )


def main() -> None:
    model = striate.load_model("digits")
    prepare = model.preprocessing.prepare
    images, labels = striate.datasets.mnist.load_split("test")
    raw = images[..., None].astype(np.float32) / 255
    report("MNIST test, as it is", model.predict(raw, batch_size=250), labels, model.threshold)
    prepared = np.stack([prepare(image) for image in images])
    report("MNIST test, prepared as drawings are", model.predict(prepared), labels, model.threshold)

    if not os.environ.get("STRIATE_DATA"):
        print("other hands: set STRIATE_DATA")
        return
    folder = Path(os.environ["STRIATE_DATA"])
    xs, ys, unread = [], [], 0
    with zipfile.ZipFile(folder / "handwritten62" / "handwritten62_png.zip") as photos:
        names = {name.rsplit("/", 1)[-1]: name for name in photos.namelist()}
        for row in csv.DictReader((folder / "handwritten62" / "labels.csv").read_text().splitlines()):
            if row["kind"] == "DIGIT" and not row["duplicate_of"]:
                try:
                    photo = decode_image(photos.read(names[row["file"].rsplit("/", 1)[-1]]), channels=1)
                    xs.append(prepare(photo, ink="dark"))
                    ys.append(int(row["label"]))
                except DataError:
                    unread += 1
    report("photographs of other hands", model.predict(np.stack(xs)), np.array(ys), model.threshold, unread)

    with gzip.open(folder / "sklearn_digits" / "digits.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    tiny = (table[:, :64].reshape(-1, 8, 8) / 16 * 255).astype(np.uint8)
    prepared = np.stack([prepare(image) for image in tiny])
    report("8×8 scans", model.predict(prepared), table[:, 64].astype(int), model.threshold)


if __name__ == "__main__":
    main()
