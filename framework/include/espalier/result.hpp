// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace espalier {

// The class of a failure. The first six are also the classes of a backend's refusal (abi.h), with
// the same meaning.
enum class ErrorCode : std::uint8_t {
  unsupported,  // can never work here
  capacity,     // no room now
  transient,    // may work later
  lost,         // the device is gone or hung
  permission,   // the operating system refused
  invalid,      // a malformed request or input
  not_found,
  conflict,  // already there, already used, already running
  io,        // the operating system failed
};

// What went wrong. `message` is a sentence for a person: what failed, where, and what to do. It
// never holds a key.
struct Error {
  ErrorCode code = ErrorCode::invalid;
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

// Stable names: "unsupported", "capacity", ...
const char* to_string(ErrorCode code) noexcept;

}  // namespace espalier
