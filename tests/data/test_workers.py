"""Worker processes: the same bits for any number of them, nothing left behind, and errors that name the picture."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from striate.data import PhotoPreprocessing
from striate.data.augmentation import AUGMENTATIONS, Augmentation
from striate.data.photo_batches import PhotoBatches
from striate.data.workers import WorkerPool
from striate.errors import ArgumentError, DataError, FormatError
from tests.data.photos import photo

SIZE = PhotoPreprocessing((16, 12), shorter_side=16, mean=(10.0, 20.0, 30.0), std=(2.0,))


@pytest.fixture
def paths(tmp_path):
    return [str(photo(tmp_path / f"{i}.png", i)) for i in range(11)]


def batches(paths, workers=0, **options):
    labels = [i % 3 for i in range(len(paths))]
    return PhotoBatches(paths, labels, 3, SIZE, **{"batch_size": 4, "seed": 5, "workers": workers} | options)


def alive(pids):
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


def test_R1_bits_do_not_depend_on_the_number_of_workers(paths):
    def content(workers):
        with batches(paths, workers, augmentation=Augmentation(AUGMENTATIONS), shuffle=True) as data:
            return [[array.tobytes() for array in batch] for _ in range(3) for batch in data]

    alone = content(0)
    assert len(alone) == 6
    assert len({images for images, _ in alone}) == 6
    for workers in (1, 2, 3):
        assert content(workers) == alone


def test_any_epoch_can_be_replayed(paths):
    with batches(paths, 2, augmentation=Augmentation(), shuffle=True) as data:
        epochs = [[images.tobytes() for images, _ in data] for _ in range(3)]
        assert [images.tobytes() for images, _ in data.batches(1)] == epochs[1]
    with batches(paths, 2, augmentation=Augmentation(), shuffle=True, epoch=2) as later:
        assert [images.tobytes() for images, _ in later] == epochs[2]


def test_a_picture_is_augmented_anew_in_each_epoch(paths):
    with batches(paths[:1], augmentation=Augmentation(("jitter",)), batch_size=1) as data:
        assert len({images.tobytes() for _ in range(3) for images, _ in data}) == 3


def test_pictures_as_they_are_in_order_and_normalised(paths):
    from striate.data import decode_image

    with batches(paths, 1) as data:
        assert len(data) == 3
        images, labels = (np.concatenate(parts) for parts in zip(*data, strict=True))
    assert (images.dtype, images.shape) == (np.float32, (11, 16, 12, 3))
    np.testing.assert_array_equal(labels, np.eye(3)[[i % 3 for i in range(11)]])
    for path, image in zip(paths, images, strict=True):
        np.testing.assert_array_equal(image, SIZE.prepare(decode_image(path)))


def test_channels_are_in_the_networks_order(paths):
    rgb, bgr = (
        next(iter(PhotoBatches(paths[:1], [0], 1, PhotoPreprocessing((4, 4), colours=order))))[0]
        for order in ("RGB", "BGR")
    )
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])


def test_an_epoch_in_order_of_its_own_has_each_picture_at_most_once(paths):
    with batches(paths, shuffle=True, batch_size=4) as data:
        assert len(data) == 2  # three of the eleven fill no batch
        first, second = ([images.tobytes() for images, _ in data] for _ in range(2))
    assert len(set(first + second)) == 4
    with batches(paths[:3], shuffle=True, batch_size=4) as few:
        assert [images.shape[0] for images, _ in few] == [3]


def test_workers_stay_between_epochs_and_end_with_the_pool(paths):
    with batches(paths, 2) as data:
        list(data)
        pids = [worker.process.pid for worker in data._pool._processes]
        list(data)
        assert [worker.process.pid for worker in data._pool._processes] == pids
        assert alive(pids) == pids
    assert not alive(pids)


def test_an_epoch_that_is_not_finished_stops_its_workers(paths):
    with batches(paths * 20, 2) as data:
        iterator = iter(data)
        next(iterator)
        pids = [worker.process.pid for worker in data._pool._processes]
        iterator.close()
        assert not alive(pids)
        assert len(list(data)) == 55


@pytest.mark.parametrize("workers", [0, 2])
def test_R4_damaged_and_missing_pictures_are_named(paths, workers):
    with open(paths[6], "wb") as file:
        file.write(b"not a picture")
    with batches(paths, workers) as data, pytest.raises(FormatError, match=r"got something else: .*/6\.png\."):
        list(data)
    os.remove(paths[6])
    with batches(paths, workers) as data, pytest.raises(DataError, match=r"cannot read .*/6\.png: No such file"):
        list(data)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_R4_a_worker_that_dies_names_the_picture_it_read(paths, tmp_path):
    """Two processes wait, and one of them is killed: as the kernel does when memory is short."""
    with batches(paths * 30, 2) as data:
        iterator = iter(data)
        next(iterator), next(iterator)  # one batch of each
        worker = data._pool._processes[1]
        worker.process.send_signal(signal.SIGKILL)
        with pytest.raises(DataError, match=r"a worker process died \(exit code -9\) while it read .*/\d+\.png\."):
            list(iterator)
        pids = [one.process.pid for one in data._pool._processes]
    assert not alive(pids)


def test_workers_run_ahead_by_a_bounded_amount(paths):
    """They wait in the middle of writing: however slow the reader is, they have read no more than a few batches."""
    big = PhotoPreprocessing((160, 160))
    with PhotoBatches(paths * 20, [0] * 220, 1, big, batch_size=4, workers=2) as data:
        iterator = iter(data)
        next(iterator)
        time.sleep(1.0)  # time enough for all 55 batches
        used = [read_bytes(worker.process.pid) for worker in data._pool._processes]
        time.sleep(0.3)
        assert used == [read_bytes(worker.process.pid) for worker in data._pool._processes]
        iterator.close()


def read_bytes(pid):
    with open(f"/proc/{pid}/io") as file:
        return int(file.readline().split()[1])


def test_workers_end_when_the_program_is_killed(paths):
    program = f"""
import sys, time
from striate.data import PhotoPreprocessing
from striate.data.photo_batches import PhotoBatches
data = PhotoBatches({paths * 20}, [0] * 220, 1, PhotoPreprocessing((8, 8)), workers=2)
next(iter(data))
iterator = iter(data)
next(iterator)
print(*[worker.process.pid for worker in data._pool._processes], flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert alive(pids) == pids
        process.kill()
    for _ in range(100):
        if not alive(pids):
            return
        time.sleep(0.1)
    raise AssertionError(f"still running: {alive(pids)}")


def test_R4_arguments(paths):
    with pytest.raises(ArgumentError, match=r"WorkerPool: expected workers of at least 0, got -1\."):
        WorkerPool(batches(paths).maker, -1)
    with pytest.raises(DataError, match="PhotoBatches: expected photographs with a label each, got 0 with 0 labels"):
        PhotoBatches([], [], 2, SIZE)
    with pytest.raises(DataError, match="got 11 with 1 labels"):
        PhotoBatches(paths, [0], 2, SIZE)
