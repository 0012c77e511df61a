# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtual machine with one of Debian's own kernels and this host's own programs in it.

    with Machine(KERNELS["6.1"].fetch(), root_image(), payload) as machine:
        for event in machine.events(bound=300):
            ...

Everything runs in software emulation, as root of nothing but the machine; its disks are snapshots, so that what was made
once can be used by any number of machines. It has no network card.
"""

from .boot import Machine
from .cache import MachineError
from .kernel import KERNELS
from .rootfs import root_image

__all__ = ["KERNELS", "Machine", "MachineError", "root_image"]
