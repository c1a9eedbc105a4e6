// SPDX-License-Identifier: Apache-2.0
//
// What came of a whole run over one plugin, as plain data, and how it is told.
#pragma once

#include <conform/cases.hpp>
#include <espalier/inventory.hpp>
#include <load/manifest.hpp>

#include <string>
#include <vector>

namespace espalier::conform {

struct CaseResult {
  enum class State : std::uint8_t { passed, failed, not_applicable, not_run } state = State::passed;
  std::string name{};  // as --case takes it
  const Case* test = nullptr;
  std::vector<Finding> findings{};
  std::vector<std::string> notes{};
  std::uint64_t compared = 0;  // packets, with the reference
  std::string not_run{};       // why
  bool reached_end = false;
  double seconds = 0;
};

struct Verdict {
  enum class State : std::uint8_t {
    holds,
    failed,
    not_applicable,
    not_checked
  } state = State::holds;
  const Requirement* requirement = nullptr;
  struct Seen {
    std::string test;  // the case's name
    std::string words;
  };
  std::vector<Seen> seen{};  // failures; else why it does not apply, or was not checked
};

struct Score {
  std::string plugin;  // path
  load::Manifest manifest;
  std::vector<Device> devices;
  std::uint64_t seed = 0;
  bool quick = false;
  Budget budget{};
  std::string options = "{}";  // the backend's own
  bool alone = false;          // its cases could not be run beside each other
  std::string profile;         // path, or ""
  std::string filter;          // --case, or ""
  std::string preload;         // --preload, or ""
  double seconds = 0;
  std::vector<CaseResult> cases;
  std::vector<std::string> kit_errors;  // the kit's own failures: then nothing is proved

  bool conforms() const;  // every requirement that applies holds, over a device
  bool tested() const;    // a device was there to be tested
  // "quick", "full", or what a profile has made of it.
  std::string extent() const;
  std::string again(const std::string& test) const;  // the command that runs a case as here
};

// One a requirement, in the table's order.
std::vector<Verdict> verdicts(const Score& score);

std::string text_of(const Score& score, bool colour);
std::string json_of(const Score& score);
std::string html_of(const Score& score);

std::string requirements_text();
std::string requirements_json();

}  // namespace espalier::conform
