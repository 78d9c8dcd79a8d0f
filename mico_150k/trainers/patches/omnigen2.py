"""VectorSpaceLab/OmniGen2: pixels for a fifth input.

Its list of four makes a sample with five inputs an error, which its loader hides by taking other
samples. The model has places for five and no more.
"""

from mico_150k.trainers.patches.edit import Edit, Patch

_OPTIONS = ("options/ft.yml", "options/ft_lora.yml")
_FOUR = (
    "  max_input_pixels: [1048576, 1048576, 589824, 262144] "
    "# [1024 * 1024, 1024 * 1024, 768 * 768, 512 * 512]"
)
_FIVE = (
    "  max_input_pixels: [1048576, 1048576, 589824, 262144, 262144] "
    "# [1024 * 1024, 1024 * 1024, 768 * 768, 512 * 512, 512 * 512]"
)

OMNIGEN2 = Patch(
    "omnigen2", "VectorSpaceLab/OmniGen2", tuple(Edit(file, _FOUR, _FIVE) for file in _OPTIONS)
)
