"""Alpha-VLLM/Lumina-DiMOO: records whose `user_image` is a list."""

from mico_150k.trainers.patches.edit import Edit, Patch

_TRAIN = "train/train.py"
_PROCESS_ITEM = (
    "    def process_item(self, data_item: dict, training_mode=False) -> Tuple[List, List]:"
)
_RIVAL = 'isinstance(data_item["user_image"], list)'

DIMOO = Patch(
    "dimoo",
    "Alpha-VLLM/Lumina-DiMOO",
    (
        Edit(
            _TRAIN,
            "from xllmx.solvers.finetune import FinetuneSolverBase",
            "from xllmx.solvers.finetune import FinetuneSolverBase\n"
            "from mico_150k.trainers.dimoo import process_images",
            _RIVAL,
        ),
        Edit(
            _TRAIN,
            _PROCESS_ITEM,
            f"""\
{_PROCESS_ITEM}
        if not isinstance(data_item["user_image"], str):
            return process_images(data_item, self.tokenizer, mask_codes)""",
            _RIVAL,
        ),
    ),
)
