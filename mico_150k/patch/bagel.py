"""ByteDance-Seed/Bagel: a dataset class for several inputs, and where it finds an export."""

from mico_150k.patch.edit import Edit, Patch

_CLASSES = "data/interleave_datasets/edit_dataset.py"
_EXPORTED = "data/interleave_datasets/__init__.py"
_REGISTRY = "data/dataset_info.py"
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
    ),
)
