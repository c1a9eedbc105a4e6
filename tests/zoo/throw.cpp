// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

extern "C" void zoo_throw() { throw std::runtime_error("thrown by a plugin of a test"); }
