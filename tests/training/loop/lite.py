"""A tiny EfficientNet-Lite: random weights by the published names, and its stages without torch."""

import numpy as np
import torch

from tests.training.networks.literal import convolve

#: By stage: blocks, kernel, stride, widening (EfficientNet's table 1 and its code); of the
#: channels, the published network has 16, 24, 40, 80, 112, 192 and 320.
STAGES = (
    (1, 3, 1, 1, 2),
    (2, 3, 2, 2, 3),
    (2, 5, 2, 2, 4),
    (2, 3, 2, 2, 5),
    (1, 5, 1, 2, 6),
    (2, 5, 2, 2, 7),
    (1, 3, 1, 2, 8),
)
STEM = 4
CHANNELS = (2, 3, 4, 6, 8)
"""Of the stages that are looked at."""


def lite_state(seed=0):
    """Draw a state dict; its activations reach both ends of ReLU6."""
    rng = np.random.default_rng(seed)
    state = {}

    def conv(name, norm, outputs, inputs, kernel, gain):
        shape = (outputs, inputs, kernel, kernel)
        state[f"{name}.weight"] = rng.normal(0, gain / np.sqrt(inputs * kernel**2), shape)
        state[f"{norm}.weight"], state[f"{norm}.running_var"] = rng.uniform(0.5, 2, (2, outputs))
        state[f"{norm}.bias"], state[f"{norm}.running_mean"] = rng.normal(0, 0.3, (2, outputs))
        state[f"{norm}.num_batches_tracked"] = np.array(9)

    conv("_conv_stem", "_bn0", STEM, 3, 3, gain=6)
    block, channels = 0, STEM
    for blocks, kernel, _, widening, out_channels in STAGES:
        for _ in range(blocks):
            name, wide = f"_blocks.{block}", channels * widening
            if widening > 1:
                conv(f"{name}._expand_conv", f"{name}._bn0", wide, channels, 1, gain=2)
            conv(f"{name}._depthwise_conv", f"{name}._bn1", wide, 1, kernel, gain=2)
            conv(f"{name}._project_conv", f"{name}._bn2", out_channels, wide, 1, gain=1)
            block, channels = block + 1, out_channels
    conv("_conv_head", "_bn1", 10, channels, 1, gain=1)
    return {
        name: torch.tensor(value, dtype=None if value.dtype == int else torch.float32)
        for name, value in state.items()
    }


def lite_file(folder, seed=0):
    """Write such weights; return the file."""
    path = folder / "lite.pth"
    torch.save(lite_state(seed), path)
    return path


def literal_lite(state, image):
    """Return every stage's output of an image (3, H, W) in [0, 1], in float64."""
    state = {name: value.double().numpy() for name, value in state.items()}

    def normed(x, norm):
        mean, variance, weight, bias = (
            state[f"{norm}.{key}"][:, None, None]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * weight + bias

    def strided(x, weight, stride):
        """TensorFlow's "same": ceil(side / stride) outputs; the odd padded pixel comes last."""
        kernel = weight.shape[-1]
        starts = []
        for side in x.shape[1:]:
            outputs = -(-side // stride)
            padded = max((outputs - 1) * stride + kernel - side, 0)
            starts.append(kernel // 2 - padded // 2)  # where the first window is centred
        return convolve(x, weight)[:, starts[0] :: stride, starts[1] :: stride]

    def relu6(x):
        return np.clip(x, 0, 6)

    x = (image.double().numpy() * 255 - 127) / 128
    x = relu6(normed(strided(x, state["_conv_stem.weight"], 2), "_bn0"))
    block, outputs = 0, []
    for blocks, _, stride, widening, _ in STAGES:
        for number in range(blocks):
            name, y = f"_blocks.{block}", x
            if widening > 1:
                y = relu6(normed(convolve(x, state[f"{name}._expand_conv.weight"]), f"{name}._bn0"))
            depthwise = state[f"{name}._depthwise_conv.weight"]
            step = stride if number == 0 else 1
            y = np.concatenate(
                [strided(y[c : c + 1], depthwise[c : c + 1], step) for c in range(len(y))]
            )
            y = relu6(normed(y, f"{name}._bn1"))
            y = normed(convolve(y, state[f"{name}._project_conv.weight"]), f"{name}._bn2")
            x = x + y if number > 0 else y
            block += 1
        outputs.append(x)
    return outputs
