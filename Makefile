# SPDX-License-Identifier: GPL-2.0-only
#
# make			the module for KDIR (default: the running kernel)
# make help		everything else

KDIR ?= /lib/modules/$(shell uname -r)/build
KREL = $(shell sed -n 's/.*"\(.*\)".*/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
BUILD ?= build/$(or $(KREL),unknown)

all: module

# Kbuild writes beside its sources: give each kernel a tree of links of its own.
.PHONY: module
module:
	@test -n "$(KREL)" || { \
	  echo "sevm: no kernel headers in $(KDIR)" >&2; \
	  echo "  apt-get install linux-headers-amd64, or make KDIR=PATH" >&2; exit 1; }
	@mkdir -p $(BUILD)
	@cp -rsf $(CURDIR)/Kbuild $(CURDIR)/svm $(CURDIR)/sev $(CURDIR)/include $(BUILD)/
	$(MAKE) -C $(KDIR) M=$(abspath $(BUILD)) $(KFLAGS) modules

.PHONY: clean
clean:
	rm -rf build
