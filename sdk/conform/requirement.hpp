// SPDX-License-Identifier: Apache-2.0
//
// What a backend must keep, numbered for good: the one place where it is written down. PORTING.md's
// list is made from it, `espalier conform --requirements` prints it, and every case of the kit
// names what it checks by it. A number is never given to anything else.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace espalier::conform {

enum class Req : std::uint16_t {
  manifest = 1,
  one_symbol,
  loads,
  tables,

  no_crash = 10,
  no_exit,
  no_hang,
  no_exception,
  silent,
  signals,
  locale,
  fpu,
  umask,
  environment,
  threads,
  descriptors,
  ends,

  described = 30,
  lists,
  stable,
  unknown_device,
  healthy,
  profile,

  opens = 40,
  declared,
  undeclared,
  malformed_params,
  sentence,
  keys_copied,
  slots,
  slots_full,
  slots_freed,
  slots_counted,
  churn,
  secrets,
  no_secret_memory,
  queue_limit,
  others_stay,

  vectors = 60,
  seals,
  opens_packets,
  placement,
  alignment,
  esn,
  spoilt,
  no_plaintext,
  bounds,
  op_fields,
  lengths,
  max_length,
  malformed_op,
  apart,

  status_set = 80,
  empty_burst,
  burst_sizes,
  empty_poll,
  partial,
  full_queue,
  once,
  foreign,
  progress,
  two_queues,
  control_meanwhile,

  quiesce = 100,
  device_again,
  backend_again,
  no_growth,
  keys_gone,
  attach,
  lost,
  lost_whole,
  comes_back,
  stays_dead,
  degraded,
  unattached,

  recipe_pure = 120,
  recipe_formed,
  recipe_any_thread,
  recipe_undeclared,
};

struct Requirement {
  Req id;
  std::string_view group;
  std::string_view sentence;   // what must hold
  std::string_view rationale;  // why
  std::string_view broken;     // what happens to users where it does not
};

std::span<const Requirement> requirements() noexcept;
const Requirement& requirement(Req id) noexcept;  // one that is in the table

std::string name_of(Req id);  // "ESP-R001"

}  // namespace espalier::conform
