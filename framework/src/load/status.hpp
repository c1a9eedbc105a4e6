// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/device.hpp>

#include <array>
#include <exception>
#include <string>
#include <string_view>

namespace espalier::load {

// The host's buffer for one sentence of a plugin, given to one call.
class Words {
 public:
  Words() noexcept : message_{buffer_.data(), buffer_.size()} {}
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;

  espalier_message* message() noexcept { return &message_; }
  std::string text() const;  // safe to show, whatever the plugin wrote; "" if nothing

 private:
  std::array<char, 512> buffer_{};
  espalier_message message_;
};

// Runs calls into a plugin, which should let no exception out; one that comes all the same becomes
// an error.
template <class Body>
auto guarded(Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::exception& e) {
    return fail(ErrorCode::lost, std::string("an exception left its C functions: ") + e.what());
  } catch (...) {
    return fail(ErrorCode::lost, "an exception left its C functions, not even a std::exception");
  }
}

// The error of a call that did not succeed: "cannot <what>: <the plugin's words>".
Error refused(espalier_status status, std::string_view what, const Words& words);

}  // namespace espalier::load
