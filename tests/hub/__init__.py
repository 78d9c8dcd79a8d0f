"""A Hub on the loopback, for tests: real HTTP, as `huggingface_hub` and `datasets` speak it.

Repositories with branches, tags and pull requests, and buckets; files on the LFS path and on the
Xet path (the real hf_xet against a folder), paged trees, redirects to another host for content,
tokens that may write, may only read or expire, and faults on demand. What a real Hub does besides
is not here.
"""

from .buckets import Bucket
from .faults import Fault
from .repository import Repository
from .server import Account, Hub, running, serve

__all__ = ["Account", "Bucket", "Fault", "Hub", "Repository", "running", "serve"]
