// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/inventory.hpp>
#include <load/descriptor.hpp>
#include <load/host_services.hpp>

#include <string>
#include <vector>

namespace espalier::load {

// The inside of a probe: loads a sealed plugin, starts its backend, asks it everything that it can
// say of itself, and closes it. The backend as it was found, or with why it may not be used.
// `find`: of other plugins, for one that decorates them.
BackendInfo try_plugin(Descriptor image, const std::string& options, FindEntry find = {});

// Finds among plugin files, given as "NAME=PATH". A file is checked and loaded when it is asked
// for.
FindEntry find_in_files(std::vector<std::string> files);

// The form in which that travels from the probe to the program that asked.
std::string to_report(const BackendInfo& backend);
Result<BackendInfo> from_report(std::string_view report);

}  // namespace espalier::load
