"""Augmentation: pure functions from clip to clip; randomness arrives as an explicit ``rng``.

Every function keeps the sample rate, and none changes the clip that it is given. They are composed in recipes as steps
(:class:`Step`): a name, a probability, and settings, each a number or a range ``[low, high]`` from which one value is
drawn per clip, or a text, such as a folder of recordings.
"""

from __future__ import annotations

from vocalics.augment.channel import band_pass, codec, gain, high_pass, mu_law, overdrive, telephone
from vocalics.augment.noise import add_hum, add_noise, gaussian, noise_by_peak, recorded_noise
from vocalics.augment.rooms import convolve, recorded_room, room, room_response
from vocalics.augment.signal import mix
from vocalics.augment.spectrogram import mask_spectrogram, mixup, mixup_share
from vocalics.augment.steps import AUGMENTATIONS, Step, chain, material
from vocalics.augment.timing import speed, time_shift
from vocalics.timescale import pitch_shift, stretch_and_shift, time_stretch

__all__ = [
    "AUGMENTATIONS",
    "Step",
    "add_hum",
    "add_noise",
    "band_pass",
    "chain",
    "codec",
    "convolve",
    "gain",
    "gaussian",
    "high_pass",
    "mask_spectrogram",
    "material",
    "mix",
    "mixup",
    "mixup_share",
    "mu_law",
    "noise_by_peak",
    "overdrive",
    "pitch_shift",
    "recorded_noise",
    "recorded_room",
    "room",
    "room_response",
    "speed",
    "stretch_and_shift",
    "telephone",
    "time_shift",
    "time_stretch",
]
