# The device set of vepyc, for --without-default-devices: what its launcher
# names on QEMU's command line, and nothing else.

CONFIG_Q35=y
CONFIG_HPET=y
CONFIG_SERIAL_ISA=y
CONFIG_ISA_DEBUG=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
