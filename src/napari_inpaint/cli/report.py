"""What stands beside a result if a report is asked for: hole, expected error, record."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_inpaint.cli import batch
from napari_inpaint.cli.jobs import Job
from napari_inpaint.files import formats
from napari_inpaint.files import labels as label_files
from napari_inpaint.files.picture import Picture
from napari_inpaint.fill.inpaint import Filled


@dataclass(frozen=True)
class Report:
    """The files of a report.

    Attributes
    ----------
    hole, error, record : Path
        What was filled, 255 = hole; the expected error of each pixel, in the image's units, 0
        where nothing was filled; what made it, as JSON.
    """

    hole: Path
    error: Path
    record: Path

    @classmethod
    def of(cls, job: Job, args: argparse.Namespace) -> Report:
        """Return where a job's report goes: beside its result.

        Raises
        ------
        FileError
            If a file of it exists already, and was not to be replaced.
        """
        kind = "npy" if formats.format_of(job.out) == "npy" else "tif"
        name = formats.stem(job.out)
        report = cls(
            job.out.with_name(f"{name}_hole.{kind}"),
            job.out.with_name(f"{name}_error.{kind}"),
            job.out.with_name(f"{name}_record.json"),
        )
        for path in (report.hole, report.error, report.record):
            batch.refuse_existing(path, args)
        return report

    def write(self, job: Job, picture: Picture, filled: Filled) -> None:
        """Write what is known; without an expected error, its file is left out."""
        letters = filled.record["options"]["axes"]
        plane = letters.replace("C", "")
        hole = filled.hole if self.hole.suffix == ".npy" else filled.hole * np.uint8(255)
        label_files.write(self.hole, hole, picture, plane)
        if filled.error is not None:
            label_files.write(self.error, filled.error, picture, letters)
        record = {
            **filled.record,
            "image": job.image.name,
            "mask": job.mask and job.mask.name,
            "pixels": filled.pixels,
            "expected error": typical_error(filled),
        }
        with formats.replacing(self.record) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def typical_error(filled: Filled) -> float | None:
    """Return the root mean square of the expected errors; None where they cannot be told."""
    if filled.error is None or not filled.pixels:
        return None
    told = filled.error[filled.error > 0].astype(np.float64)
    return float(np.sqrt(np.mean(told**2))) if len(told) else None
