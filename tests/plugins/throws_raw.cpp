// SPDX-License-Identifier: Apache-2.0
//
// Lets an exception, not even a std::exception, out through its C table.
#include <espalier/abi.h>

namespace {

espalier_status negotiate(const espalier_host*, const char*, const espalier_backend**,
                          espalier_message*) {
  throw 42;
}

__attribute__((section(".espalier.manifest"), used)) const char manifest[] =
    "abi=1.0\nname=throws_raw\nvendor=Zoo\nversion=1.0\n";

}  // namespace

extern "C" __attribute__((visibility("default"), used))
const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                               ESPALIER_ABI_MINOR, &negotiate};
