"""ByteDance-Seed/Bagel: a dataset class for several inputs, and where it finds an export.

Also what a training needs that has no texts to learn: upstream always mixes some in.
"""

from mico_150k.trainers.patches.edit import Edit, Patch

_CLASSES = "data/interleave_datasets/edit_dataset.py"
_EXPORTED = "data/interleave_datasets/__init__.py"
_REGISTRY = "data/dataset_info.py"
_MODEL = "modeling/bagel/bagel.py"
_TRAIN = "train/pretrain_unified_navit.py"
_RIVAL = "class MultiInputEditDataset(InterleavedBaseIterableDataset"

BAGEL = Patch(
    "bagel",
    "ByteDance-Seed/Bagel",
    (
        Edit(
            _CLASSES,
            "from ..data_utils import pil_img2rgb",
            "from ..data_utils import pil_img2rgb\nfrom mico_150k.trainers.bagel import MultiInput",
            _RIVAL,
        ),
        Edit(
            _CLASSES,
            "class UnifiedEditIterableDataset("
            "InterleavedBaseIterableDataset, ParquetStandardIterableDataset):",
            '''\
class MultiInputEditDataset(MultiInput, InterleavedBaseIterableDataset, ParquetStandardIterableDataset):
    """MICo-150K: several images and an instruction in, one image out."""


class UnifiedEditIterableDataset(InterleavedBaseIterableDataset, ParquetStandardIterableDataset):''',  # noqa: E501 - as long as the clone's own
            _RIVAL,
        ),
        Edit(
            _EXPORTED,
            "from .edit_dataset import UnifiedEditIterableDataset",
            "from .edit_dataset import MultiInputEditDataset\n"
            "from .edit_dataset import UnifiedEditIterableDataset",
            "import UnifiedEditIterableDataset, MultiInputEditDataset",
        ),
        Edit(
            _REGISTRY,
            "from .interleave_datasets import UnifiedEditIterableDataset",
            "from mico_150k.trainers.bagel import ExportInfo\n"
            "from .interleave_datasets import MultiInputEditDataset\n"
            "from .interleave_datasets import UnifiedEditIterableDataset",
            "'mico-150k': {",
        ),
        Edit(
            _REGISTRY,
            "DATASET_REGISTRY = {",
            "DATASET_REGISTRY = {\n    'mico-150k': MultiInputEditDataset,",
        ),
        Edit(
            _REGISTRY,
            "DATASET_INFO = {",
            "DATASET_INFO = {\n    'mico-150k': ExportInfo(), # the folder $MICO_150K_DATA",
        ),
        Edit(
            _MODEL,
            "from modeling.cache_utils.taylorseer import cache_init",
            "from modeling.cache_utils.taylorseer import cache_init\n"
            "from mico_150k.trainers.bagel import blank_patch",
        ),
        Edit(
            _MODEL,
            """\
        if self.config.visual_und:
            cu_seqlens = torch.nn.functional.pad(torch.cumsum(vit_token_seqlens, dim=0), (1, 0))""",
            """\
        if self.config.visual_und:
            if packed_vit_tokens is None: # dropout may leave none of the inputs
                (
                    packed_vit_tokens, packed_vit_position_ids, vit_token_seqlens, packed_vit_token_indexes
                ) = blank_patch(packed_text_indexes, self.config.vit_config)
            cu_seqlens = torch.nn.functional.pad(torch.cumsum(vit_token_seqlens, dim=0), (1, 0))""",  # noqa: E501 - as long as the clone's own
        ),
        Edit(
            _MODEL,
            "            packed_sequence[packed_vit_token_indexes] = packed_vit_token_embed",
            "            packed_sequence[packed_vit_token_indexes] = "
            "packed_vit_token_embed[:len(packed_vit_token_indexes)]",
        ),
        Edit(
            _TRAIN,
            """\
            assert not training_args.visual_und
            loss_dict["ce"] = torch.tensor(0, device=device)
            total_ce_tokens = torch.tensor(0, device=device)""",
            """\
            # MICo-150K has no text to learn. Other ranks may have some of other data: they sum over all.
            loss_dict["ce"] = torch.tensor(0.0, device=device)
            total_ce_tokens = torch.tensor(0, device=device)
            dist.all_reduce(total_ce_tokens, op=dist.ReduceOp.SUM)""",  # noqa: E501 - as long as the clone's own
        ),
    ),
)
