# SPDX-License-Identifier: GPL-2.0-only
#
# make			the module for KDIR (default: the running kernel)
# make help		everything else

KDIR ?= /lib/modules/$(shell uname -r)/build
KREL = $(shell sed -n 's/.*"\(.*\)".*/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
BUILD ?= build/$(or $(KREL),unknown)
KERNELS = 6.1 6.12
VEPYC = tools/vepyc/vepyc
TOP := $(CURDIR)
# Short commands, long words
Q = @

PACKAGES = gcc make libc6-dev libssl-dev libelf-dev pahole kmod cpio python3 pkgconf
CHECK_PACKAGES = sparse perl codespell shellcheck

.PHONY: all
all: module

.PHONY: help
help:
	@echo "make                 the module, for the running kernel (KDIR=PATH: another)"
	@echo "make demo            a stock Debian kernel as a SEV-ES guest, on an emulated EPYC"
	@echo "make test            every test, on Debian's kernels 6.1 and 6.12 (ONLY=WORD: some)"
	@echo "make test-debug      the same for sevm, on a kernel with KASAN, lockdep, kmemleak (KERNEL=6.12|6.1)"
	@echo "make mutants         break sevm in one way at a time: a test must notice (ONLY=WORD: some)"
	@echo "make clients         QEMU and others, unmodified, on sevm and on KVM (ONLY=WORD: some)"
	@echo "make bench           sevm beside KVM, in instructions (BOOTS=3: the same in three boots; ONLY=MEASURE)"
	@echo "make shell           a shell on the emulated machine, sevm loaded (KERNEL=6.1|6.12)"
	@echo "make check           checkpatch, sparse, W=1, shellcheck"
	@echo "make install         the module, for the running kernel (as root)"
	@echo "make dkms            the same by DKMS, for every kernel to come (as root)"
	@echo "make clean           remove build/"
	@echo "The emulated machine and Debian's kernels are cached: see tools/vepyc/README.md"

# Kbuild writes beside its sources: give each kernel a tree of links of its own.
.PHONY: module
module:
	@test -n "$(KREL)" || { \
	  echo "sevm: no kernel headers in $(KDIR)" >&2; \
	  echo "  apt-get install linux-headers-amd64, or make KDIR=PATH" >&2; exit 1; }
	$(Q)mkdir -p $(BUILD)
	$(Q)cp -rsf $(TOP)/Kbuild $(TOP)/svm $(TOP)/sev $(TOP)/include $(BUILD)/
	$(Q)find $(BUILD) -xtype l -delete
	$(Q)$(MAKE) --no-print-directory -C $(KDIR) M=$(abspath $(BUILD)) $(KFLAGS) modules

# Debian's kernels, from vepyc's cache
.PHONY: modules
modules:
	@for k in $(KERNELS); do \
	  facts=$$($(VEPYC) kernel $$k) || exit 1; \
	  kdir=$$(echo "$$facts" | sed -n 's/^kdir=//p'); \
	  echo "sevm: building the module for $$kdir" | sed 's|for .*/linux-headers-|for |'; \
	  mkdir -p build; \
	  $(MAKE) -s module KDIR=$$kdir >build/module-$$k.log 2>&1 || { cat build/module-$$k.log; exit 1; }; \
	done

.PHONY: tools
tools: build/guest-initrd
	$(Q)mkdir -p build
	$(Q)$(MAKE) -s -C tools O=$(TOP)/build/tools

build/guest-initrd: tools/sevm-run/guest-initrd tools/sevm-run/guest-init
	$(Q)mkdir -p build
	$(Q)BUSYBOX=$$($(VEPYC) busybox) tools/sevm-run/guest-initrd $@

.PHONY: selftests
selftests:
	$(Q)$(MAKE) -s -C selftests O=$(TOP)/build/selftests

.PHONY: setup
setup:
	@command -v python3 >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install -y python3 || { \
	  echo "sevm needs python3. As root: apt-get install python3" >&2; exit 1; }; }
	@tools/setup "sevm" $(PACKAGES)
	@$(VEPYC) build >/dev/null

.PHONY: test
test: setup modules
	@echo "sevm: building tools and tests"
	@$(MAKE) -s tools selftests
	@selftests/matrix $(ONLY)

# A kernel built for it, once, from Debian's source: tools/vepyc/debug.config
.PHONY: test-debug
test-debug: KERNELS = $(or $(KERNEL),6.12)-debug
test-debug: setup
	@$(VEPYC) kernel $(KERNELS) >/dev/null
	@$(MAKE) -s modules KERNELS=$(KERNELS)
	@echo "sevm: building tools and tests"
	@$(MAKE) -s tools selftests
	@selftests/matrix --kernel $(KERNELS) $(ONLY)

.PHONY: mutants
mutants: setup
	@$(MAKE) -s modules KERNELS=6.12
	@$(MAKE) -s tools selftests
	@selftests/mutate $(ONLY)

# What users run on it: docs/clients.md
.PHONY: clients
clients: setup modules
	@$(MAKE) -s tools
	@selftests/clients/run $(ONLY)

# Instructions on vepyc's deterministic machine: docs/bench.md
.PHONY: bench
bench: setup modules
	@$(MAKE) -s selftests
	@selftests/bench/run --boots $(or $(BOOTS),1) $(ONLY)

.PHONY: demo
demo: setup
	@$(MAKE) -s modules KERNELS=6.1
	@$(MAKE) -s tools
	@tools/demo

.PHONY: shell
shell: KERNELS = $(or $(KERNEL),6.1)
shell: setup
	@$(MAKE) -s modules KERNELS=$(KERNELS)
	@$(MAKE) -s tools selftests
	@selftests/matrix --kernel $(KERNELS) --overlays
	@$(VEPYC) shell --kernel $(KERNELS) --overlay build/overlay-$(KERNELS)

.PHONY: check
check: setup
	@tools/setup "make check" $(CHECK_PACKAGES)
	@tools/check

.PHONY: install
install: module
	$(MAKE) -C $(KDIR) M=$(abspath $(BUILD)) modules_install
	depmod -a $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(KREL)

# DKMS keeps sources of its own; what an earlier version of this left there goes first.
DKMS_VERSION = $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
DKMS_SOURCE = /usr/src/sevm-$(DKMS_VERSION)
.PHONY: dkms
dkms:
	@command -v dkms >/dev/null || { echo "apt-get install dkms" >&2; exit 1; }
	test -z "$$(dkms status sevm/$(DKMS_VERSION))" || dkms remove sevm/$(DKMS_VERSION) --all
	rm -rf $(DKMS_SOURCE)
	mkdir -p $(DKMS_SOURCE)
	cp -r LICENSE Makefile Kbuild dkms.conf include svm sev $(DKMS_SOURCE)
	dkms add sevm/$(DKMS_VERSION)
	dkms install sevm/$(DKMS_VERSION)

.PHONY: clean
clean:
	rm -rf build
