// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "observe/text_table.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace espalier::cli {

// What the command's exit code says.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,  // what was asked failed
  kUsage = 2,   // bad usage or configuration
};

// "1 tunnel", "2 tunnels".
std::string counted(std::uint64_t number, std::string_view noun);

// Where a verb writes: results on stdout, messages on stderr, one sentence a line.
class Console {
 public:
  Console();

  const TextStyle& style() const noexcept { return style_; }
  void print(std::string_view text) const;
  void print_json(const nlohmann::ordered_json& value) const;
  void tell(std::string_view sentence) const;
  // To standard error, as it is. Nobody is told where it cannot be written.
  static void write_error(std::string_view text) noexcept;
  // The exit code of a command that was otherwise to end with this one: kFailed, and a sentence, if
  // not all that was printed got out. A reader that went away had enough, and is no failure.
  int end(int exit_code) const;
  // Tells the error and gives the exit code for it.
  int fail(const Error& error) const;
  // The same where the fault is in what was given: an argument, or a file that one names.
  int refuse(const Error& error) const;

 private:
  TextStyle style_;
  mutable int write_error_ = 0;  // the first errno of print()
};

}  // namespace espalier::cli
