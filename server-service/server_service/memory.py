"""What a large pass took of memory goes back to the machine."""

import ctypes

M_MMAP_THRESHOLD = -3
"""The option's number, from malloc.h."""
RETURNED_BYTES = 8 * 2**20
"""Buffers of this size and more: those of long prompts read together, and none of a step."""


def return_large_buffers() -> None:
    """Have glibc give each large buffer back as soon as it is freed.

    By itself it raises the size from which it does so to the largest that was ever freed, up to
    32 MiB; then one rare pass over long prompts leaves the process larger for good.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # glibc's alone
        library.mallopt(M_MMAP_THRESHOLD, RETURNED_BYTES)
