import cv2
import numpy as np
import pytest


@pytest.fixture
def pictures(tmp_path):
    """A folder of twenty small pictures with some structure."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    y, x = np.mgrid[:72, :90]
    for number in range(20):
        waves = np.sin(x / (3 + number)) + np.cos(y / (2 + number))
        picture = np.stack([waves, waves.T[:72, :72].mean() + waves, -waves], -1)
        cv2.imwrite(str(folder / f"{number:02d}.png"), (picture * 40 + 120).astype(np.uint8))
    return folder
