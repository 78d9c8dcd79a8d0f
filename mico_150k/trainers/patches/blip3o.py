"""JiuhaiChen/BLIP3o, branch BLIP3o-NEXT-edit: `mico` in `--data_list`.

Before the clone's other branches, which go by a word anywhere in a path.
"""

from mico_150k.trainers.patches.edit import Edit, Patch

_DATASET = "blip3o/data/dataset.py"
_RIVAL = "'mico' in dataset_path.lower()"

BLIP3O = Patch(
    "blip3o",
    "JiuhaiChen/BLIP3o at its branch BLIP3o-NEXT-edit",
    (
        Edit(
            _DATASET,
            "from blip3o.utils import rank0_print",
            "from blip3o.utils import rank0_print\n"
            "from mico_150k.trainers.blip3o import is_mico, load_mico",
            _RIVAL,
        ),
        Edit(
            _DATASET,
            "            if 'metaquery' in dataset_path.lower():",
            """\
            if is_mico(dataset_path):
                train_dataset = load_mico(dataset_path, dataset_weight)
                rank0_print("loaded MICo-150K with ", len(train_dataset), " samples, weight ", dataset_weight)
            elif 'metaquery' in dataset_path.lower():""",  # noqa: E501 - as long as the clone's own
            _RIVAL,
        ),
    ),
)
