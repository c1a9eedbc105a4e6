// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "console.hpp"

#include <filesystem>

namespace CLI {
class App;
}

namespace espalier::cli {

// The option --socket, with $ESPALIER_SOCKET as its default.
void add_socket_option(CLI::App& verb, std::filesystem::path& socket);

// The socket to talk to: as given, else the only one in /run/espalier.
Result<std::filesystem::path> gateway_socket(const std::filesystem::path& given);

// Tells why there is no socket, and gives the exit code: that there are several is for the caller
// to decide, and so a matter of usage.
int no_gateway_socket(const Error& error, const Console& console);

}  // namespace espalier::cli
