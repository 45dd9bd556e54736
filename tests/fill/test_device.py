import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import napari_inpaint as ni
from napari_inpaint.backends import artifacts
from napari_inpaint.errors import BackendError, DeviceError
from napari_inpaint.fill import device
from napari_inpaint.fill.device import Footprint


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are this many NVIDIA GPUs."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda which: "Some GPU")
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    return pretend


@pytest.mark.parametrize(
    ("count", "names", "chosen"),
    [
        (0, ["cpu"], "cpu"),
        (1, ["cuda", "cpu"], "cuda"),
        (2, ["cuda:0", "cuda:1", "cpu"], "cuda:0"),
    ],
)
def test_auto_takes_the_first_available(gpus, count, names, chosen):
    gpus(count)
    assert device.available() == names
    assert device.resolve("auto").device == torch.device(chosen)


def test_auto_says_why(gpus):
    gpus(0)
    assert "no GPU" in device.resolve().reason
    gpus(1)
    assert "Some GPU" in device.resolve().reason


def test_named_device_is_taken_when_it_is_there(gpus):
    gpus(2)
    assert device.resolve("cuda:1").device == torch.device("cuda:1")
    assert device.resolve("cuda").device.type == "cuda"
    assert device.resolve("cpu").device == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_device_that_is_not_there_is_an_error_that_lists_those_that_are(gpus, name):
    gpus(0)
    with pytest.raises(DeviceError, match=rf"'{name}' is not available.*Available: cpu\."):
        device.resolve(name)


def test_gpu_beyond_the_last_is_an_error(gpus):
    gpus(2)
    with pytest.raises(DeviceError, match="cuda:0, cuda:1, cpu"):
        device.resolve("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:x", "cuda:-1", "cpu:1", None, 0])
def test_name_that_is_no_device_is_an_error(name):
    with pytest.raises(DeviceError, match="device must be"):
        device.resolve(name)


def run_out_of_memory(fits, error):
    """Return a function that fails until the footprint fits, and what it was tried with."""
    tried = []

    def run(footprint):
        tried.append(str(footprint))
        if not fits(footprint):
            raise error
        return "done"

    return run, tried


def test_memory_ladder_halves_the_batch_then_the_tile_then_takes_the_cpu(gpus):
    gpus(1)
    reports = []
    run, tried = run_out_of_memory(
        lambda each: each.device.type == "cpu", torch.OutOfMemoryError("CUDA out of memory.")
    )
    start = Footprint(torch.device("cuda"), batch=4, tile=512)
    result, used = device.run_within_memory(run, start, reports.append)
    assert result == "done"
    assert used == Footprint(torch.device("cpu"), batch=1, tile=128)
    assert tried == [
        "cuda, batch 4, tiles of 512 px",
        "cuda, batch 2, tiles of 512 px",
        "cuda, batch 1, tiles of 512 px",
        "cuda, batch 1, tiles of 256 px",
        "cuda, batch 1, tiles of 128 px",
        "cpu, batch 1, tiles of 128 px",
    ]
    assert len(reports) == 5
    assert reports[0] == (
        "Out of memory (cuda, batch 4, tiles of 512 px); "
        "trying again with cuda, batch 2, tiles of 512 px."
    )


def test_memory_that_never_suffices_is_an_error():
    run, _ = run_out_of_memory(lambda each: False, MemoryError())
    start = Footprint(torch.device("cpu"), batch=2, tile=128)
    with pytest.raises(BackendError, match=r"memory does not suffice.*batch 1"):
        device.run_within_memory(run, start, lambda text: None)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("anything"),
        MemoryError(),
        RuntimeError("The following operation failed in the TorchScript interpreter.\n"
                     "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory"),
    ],
)  # fmt: skip
def test_out_of_memory_is_known_by_type_or_by_words(error):
    assert device.is_out_of_memory(error)


def test_other_errors_pass_through_at_once():
    run, tried = run_out_of_memory(lambda each: False, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        device.run_within_memory(run, Footprint(torch.device("cpu"), 4, 512), lambda text: None)
    assert len(tried) == 1


def test_a_core_is_spared_in_one_thread_alone():
    """torch's own setting is the process's: overlapping runs used to leave ever fewer threads."""

    def threads():
        with ThreadPoolExecutor(1) as fresh:
            return fresh.submit(torch.get_num_threads).result()

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        inside, meanwhile = threading.Barrier(6), []

        def run():
            with device.sparing_a_core():
                inside.wait(30)
                meanwhile.append((torch.get_num_threads(), threads()))
                inside.wait(30)
            return torch.get_num_threads()

        with ThreadPoolExecutor(6) as pool:
            after = [each.result() for each in [pool.submit(run) for _ in range(6)]]
        assert meanwhile == [(3, 4)] * 6
        assert after == [4] * 6
        assert torch.get_num_threads() == threads() == 4
    finally:
        torch.set_num_threads(before)


def test_the_only_core_is_not_spared():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with device.sparing_a_core():
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_fill_leaves_the_number_of_threads_alone(save_artifact):
    path = save_artifact()
    artifacts.trust(path)
    image = np.zeros((40, 40, 3), np.uint8)
    hole = np.zeros((40, 40), bool)
    hole[10:20, 10:20] = True
    before = torch.get_num_threads()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: ni.inpaint(image, hole, backend=path), range(24)))
        assert {*pool.map(lambda _: torch.get_num_threads(), range(24))} == {before}
    assert torch.get_num_threads() == before
