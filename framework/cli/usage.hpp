// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace CLI {
class App;
class Error;
}  // namespace CLI

namespace espalier::cli {

// What is wrong with a command line, for a person: which verb lacks or does not know what, what
// that is, and where there is more.
std::string usage_mistake(const CLI::App& app, const CLI::Error& error);

}  // namespace espalier::cli
