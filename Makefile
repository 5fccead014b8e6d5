# Builds and installs the C library, its headers and the command `openwhp`.
#
#     make
#     make install PREFIX=/usr DESTDIR=/some/where
#
# install-lib leaves the command out. PROFILE=dev builds without optimisation.

PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include/openwhp
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
CARGO ?= cargo
INSTALL ?= install
PROFILE ?= release

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
OUT := $(TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
HEADERS := WinHvPlatform.h WinHvPlatformDefs.h WinHvEmulation.h openwhp_windows_types.h openwhp.h

.PHONY: all lib bin install install-lib install-bin

all: lib bin

lib:
	$(CARGO) build --profile $(PROFILE) -p openwhp-capi -p openwhp-capi-emulation -p openwhp-windows

bin:
	$(CARGO) build --profile $(PROFILE) -p openwhp-vmm

install: install-lib install-bin

install-lib: lib
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)
	set -e; for name in WinHvPlatform WinHvEmulation openwhp_windows; do \
	    $(INSTALL) -m 755 $(OUT)/lib$$name.so $(DESTDIR)$(LIBDIR)/lib$$name.so.$(VERSION); \
	    ln -sf lib$$name.so.$(VERSION) $(DESTDIR)$(LIBDIR)/lib$$name.so.1; \
	    ln -sf lib$$name.so.1 $(DESTDIR)$(LIBDIR)/lib$$name.so; \
	    $(INSTALL) -m 644 $(OUT)/lib$$name.a $(DESTDIR)$(LIBDIR)/lib$$name.a; \
	done
	$(INSTALL) -m 644 $(addprefix include/,$(HEADERS)) $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -d $(DESTDIR)$(INCLUDEDIR)/windows/bits
	$(INSTALL) -m 644 include/windows/*.h $(DESTDIR)$(INCLUDEDIR)/windows
	$(INSTALL) -m 644 include/windows/bits/*.h $(DESTDIR)$(INCLUDEDIR)/windows/bits
	set -e; for name in capi/winhvplatform capi-emulation/winhvemulation \
	    windows/winhvplatform-windows; do \
	    sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	        -e 's|@VERSION@|$(VERSION)|' crates/$$name.pc.in \
	        > $(DESTDIR)$(LIBDIR)/pkgconfig/$${name#*/}.pc; \
	done

install-bin: bin
	$(INSTALL) -d $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 755 $(OUT)/openwhp $(DESTDIR)$(BINDIR)/openwhp
	if ls docs/man/*.1 > /dev/null 2>&1; then \
	    $(INSTALL) -d $(DESTDIR)$(MANDIR)/man1 && $(INSTALL) -m 644 docs/man/*.1 $(DESTDIR)$(MANDIR)/man1; \
	fi
