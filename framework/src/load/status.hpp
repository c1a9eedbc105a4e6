// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/device.hpp>

#include <array>
#include <string>

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

// The error of a call that did not succeed: "cannot <what>: <the plugin's words>".
Error refused(espalier_status status, std::string_view what, const Words& words);

}  // namespace espalier::load
