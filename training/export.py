"""Turn a checkpoint into an artifact: ``python -m training.export CHECKPOINT -o exported/NAME.pt``.

The network is scripted, never traced; the written file is loaded again and compared with the eager
network at several sizes before it takes its place.
"""

import argparse
import copy
import hashlib
import os
import tempfile
import warnings
import zipfile
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

import napari_inpaint
from napari_inpaint.backends.artifacts import read_manifest
from napari_inpaint.backends.manifest import Manifest
from napari_inpaint.weightless.patches import PatchMatch
from training.command import command, new_file
from training.loop.checkpoint import averaged_weights, read_checkpoint, trained_weights
from training.networks.layers import remove_spectral_norm_, with_spectral_norm
from training.networks.weights import load_artifact
from training.recipe import Recipe
from training.recipes import RECIPES

TRUSTED = Path(napari_inpaint.__file__).with_name("backends") / "artifacts.sha256"
SIZES = ((1, 1), (5, 3), (33, 65), (64, 64), (130, 97))


def blanked(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Take what stands in the hole away; return the image and the hole, 0 or 1."""
    hole = mask > 0.5
    # where(), not a product: a NaN in the hole would survive a multiplication by zero.
    return torch.where(hole, torch.full_like(image, 0.5), image), hole.to(image.dtype)


class Artifact(nn.Module):
    """What every artifact does around its network: one convention, known pixels untouched."""

    def __init__(self, network: nn.Module, detail: PatchMatch | None) -> None:
        super().__init__()
        self.network = network
        self.detail = detail

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Do what `inpaint` does."""
        return self.inpaint(image, mask)

    @torch.jit.export
    def inpaint(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill the hole.

        Parameters
        ----------
        image : Tensor
            (N, C, H, W) float32 in [0, 1]; the hole's own content has no influence.
        mask : Tensor
            (N, 1, H, W) float32, 1 = hole.

        Returns
        -------
        Tensor
            (N, C, H, W) in [0, 1], equal to ``image`` outside the hole.
        """
        blank, hole = blanked(image, mask)
        return self.finished(image, mask, self.network(blank, hole), None)

    def finished(
        self, image: Tensor, mask: Tensor, prediction: Tensor, classes: Tensor | None
    ) -> Tensor:
        """Put the prediction into the hole, with detail; known pixels stay as they are.

        Detail comes from patches of the same class, where ``classes`` (N, H, W) are given.
        """
        prediction = prediction.clamp(0.0, 1.0)
        if self.detail is not None:
            blank, hole = blanked(image, mask)
            prediction = self.detail(blank, hole, prediction, classes)
        return torch.where(mask > 0.5, prediction, image)


class GuidedArtifact(Artifact):
    """An artifact of a network that also segments, and fills as a class map says."""

    @torch.jit.export
    def inpaint(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill the hole as the network's own class map says; as in `Artifact.inpaint`."""
        probabilities = self.segment(image, mask)
        blank, hole = blanked(image, mask)
        prediction = self.network.guide(blank, hole, probabilities)
        return self.finished(image, mask, prediction, probabilities.argmax(1))

    @torch.jit.export
    def segment(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return class probabilities (N, K, H, W), the hole included."""
        blank, hole = blanked(image, mask)
        return self.network.segment(blank, hole)

    @torch.jit.export
    def guide(self, image: Tensor, mask: Tensor, probabilities: Tensor) -> Tensor:
        """Fill the hole as ``probabilities`` (N, K, H, W) say, one-hot where a person painted.

        Colours too come from patches of the class: the fill is what was painted.
        """
        blank, hole = blanked(image, mask)
        prediction = self.network.guide(blank, hole, probabilities).clamp(0.0, 1.0)
        if self.detail is not None:
            prediction = self.detail.copied(blank, hole, prediction, probabilities.argmax(1))
        return torch.where(mask > 0.5, prediction, image)


class ReliableArtifact(GuidedArtifact):
    """A guided artifact of a network that also says where its fill is reliable."""

    @torch.jit.export
    def reliability(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return (N, 1, H, W) in [0, 1], 1 = reliable."""
        blank, hole = blanked(image, mask)
        return self.network.reliability(blank, hole)


def is_torchscript(path: Path) -> bool:
    """Return whether a file is an archive with code in it; checkpoints are archives without."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def load_network(checkpoint: Path) -> tuple[Recipe, nn.Module, str]:
    """Return a checkpoint's recipe, its averaged network in evaluation mode, and its commit.

    An artifact will do as well: its network gets the convention of today.

    Raises
    ------
    FileNotFoundError, InpaintError, ValueError
        If the file is neither, of a recipe as it is now.
    """
    if str(checkpoint) in RECIPES and not checkpoint.exists():
        raise FileNotFoundError(
            f"{checkpoint} has to be trained first; then give its checkpoint, such as "
            f"runs/{checkpoint}/checkpoint.pt."
        )
    manifest = read_manifest(checkpoint) if is_torchscript(checkpoint) else None
    if manifest is None:
        saved = read_checkpoint(checkpoint)
        name, made_by, weights = saved["recipe"], saved["commit"], averaged_weights(saved)
    else:
        name, made_by, weights = manifest.recipe, manifest.commit, trained_weights(checkpoint)
    if name not in RECIPES:
        raise ValueError(f"{checkpoint} names the recipe {name!r}, which is not here.")
    recipe = RECIPES[name]
    network = recipe.network()
    try:
        network.load_state_dict(with_spectral_norm(weights, network))
    except RuntimeError as error:
        raise ValueError(
            f"{checkpoint} does not fit {recipe.name} as it is now: it was made by the code of "
            f"commit {made_by}. Export it with that code, or train anew."
        ) from error
    # A scripted network cannot hold spectral norms; in evaluation mode they change nothing.
    return recipe, remove_spectral_norm_(network), made_by


def provided(artifact: nn.Module) -> tuple[str, ...]:
    """Return which of the contract's methods an artifact has."""
    return tuple(m for m in ("inpaint", "segment", "guide", "reliability") if hasattr(artifact, m))


def make_manifest(recipe: Recipe, artifact: Artifact, commit: str, name: str) -> Manifest:
    """Describe an artifact; its scores are recorded by ``training.evaluate``."""
    return Manifest(
        name=name,
        title=recipe.title,
        provides=provided(artifact),
        channels=recipe.channels,
        classes=tuple(asdict(each) for each in recipe.classes),
        context=recipe.context,
        working_size=recipe.working_size,
        domain=recipe.domain,
        textured=recipe.patches is not None,
        licence=recipe.licence,
        source=recipe.source,
        summary=recipe.summary,
        version=version("napari-inpaint"),
        network=type(artifact.network).__name__,
        recipe=recipe.name,
        training_data=tuple(asdict(source) for source in recipe.training_data),
        commit=commit,
        torch_version=torch.__version__,
    )


def as_stored(recipe: Recipe, network: nn.Module) -> Artifact:
    """Wrap a copy of the network in its convention, convolution weights rounded to float16."""
    kind = Artifact
    if hasattr(network, "guide"):
        kind = ReliableArtifact if hasattr(network, "reliability") else GuidedArtifact
    artifact = kind(copy.deepcopy(network), recipe.patches() if recipe.patches else None).eval()
    for module in artifact.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.half()
    return artifact


def script(artifact: Artifact) -> torch.jit.ScriptModule:
    """Script a network in its convention."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        return torch.jit.script(artifact)


def call_method(artifact: nn.Module, method: str, image: Tensor, mask: Tensor) -> Tensor:
    """Call a method of the contract; `guide` gets the artifact's own class map."""
    extra: tuple[Tensor, ...] = ()
    if method == "guide":
        extra = (call_method(artifact, "segment", image, mask),)
    # Each new size would be compiled anew, for a single call.
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        result: Tensor = getattr(artifact, method)(image, mask, *extra)
    return result


@torch.no_grad()
def check(path: Path, artifact: Artifact) -> None:
    """Compare a written artifact with the eager one.

    Raises
    ------
    RuntimeError
        If they differ by more than 1e-4 anywhere, if a known pixel changes, or if an empty or a
        full mask gives anything but finite numbers.
    """
    eager, written = copy.deepcopy(artifact).float(), load_artifact(path)
    manifest, generator = read_manifest(path), torch.Generator().manual_seed(0)
    channels = manifest.channels or 3 if manifest is not None else 3
    for height, width in SIZES:
        for batch in (1, 3):
            image = torch.rand(batch, channels, height, width, generator=generator)
            drawn = (torch.rand(batch, 1, height, width, generator=generator) < 0.3).float()
            for mask in (drawn, torch.zeros_like(drawn), torch.ones_like(drawn)):
                poisoned = torch.where(mask > 0, torch.nan, image)
                for method in provided(eager):
                    got, expected = (
                        call_method(artifact, method, of, mask)
                        for artifact, of in ((written, poisoned), (eager, image))
                    )
                    place = f"{path.name}, {method} at {batch} x {height} x {width}"
                    if not torch.isfinite(got).all():
                        raise RuntimeError(f"{place}: not finite.")
                    if (got - expected).abs().max() > 1e-4:
                        raise RuntimeError(f"{place}: differs from the eager network.")
                    known = (mask == 0).expand_as(image)
                    if method in ("inpaint", "guide") and not torch.equal(got[known], image[known]):
                        raise RuntimeError(f"{place}: changes known pixels.")


def write(scripted: torch.jit.ScriptModule, manifest: Manifest, path: Path) -> None:
    """Save an artifact with its manifest, deflated, and enter its hash into the trust list.

    Only files in the project's own ``exported/`` are entered.
    """
    temporary = path.with_suffix(".tmp")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        torch.jit.save(scripted, temporary, _extra_files={"manifest.json": manifest.to_json()})
    os.replace(temporary, path)
    if path.resolve().parent == Path(__file__).resolve().parents[1] / "exported":
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows = TRUSTED.read_text().splitlines() if TRUSTED.exists() else []
        others = [row for row in rows if not row.endswith(f"  {path.name}")]
        TRUSTED.write_text("".join(f"{r}\n" for r in sorted([*others, f"{digest}  {path.name}"])))


def record_scores(path: Path, scores: dict[str, object]) -> None:
    """Write scores into an artifact's manifest; its code and weights stay as they are.

    Parameters
    ----------
    path : Path
        The artifact.
    scores : dict
        By protocol; those of other protocols stay.

    Raises
    ------
    ValueError
        If the file has no manifest.
    """
    manifest = read_manifest(path)
    if manifest is None:
        raise ValueError(f"{path} has no manifest to record scores in. Export it again.")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        scripted = torch.jit.load(path, map_location="cpu")
    write(scripted, replace(manifest, scores=manifest.scores | scores), path)


@command
def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "checkpoint", type=Path, help="what training.train has written, or an artifact"
    )
    parser.add_argument("-o", "--output", type=new_file(".pt"), required=True)
    args = parser.parse_args()
    recipe, network, commit = load_network(args.checkpoint)
    artifact = as_stored(recipe, network)
    manifest = make_manifest(recipe, artifact, commit, args.output.stem)
    scripted = script(artifact)
    with tempfile.TemporaryDirectory() as folder:  # what does not pass replaces nothing
        trial = Path(folder) / args.output.name
        write(scripted, manifest, trial)
        check(trial, artifact)
    write(scripted, manifest, args.output)
    size = args.output.stat().st_size / 2**20
    print(f"{args.output}: {size:.1f} MiB, equal to the eager network at {len(SIZES)} sizes")


if __name__ == "__main__":
    main()
