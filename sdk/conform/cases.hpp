// SPDX-License-Identifier: Apache-2.0
//
// The cases of the kit. Each runs in a process of its own, checks the requirements that it names,
// and passes those about which it says nothing else.
#pragma once

#include <conform/lane.hpp>
#include <conform/run.hpp>
#include <conform/under_test.hpp>

#include <string_view>
#include <vector>

namespace espalier::conform {

enum class Scope : std::uint8_t { plugin, device, capability, kernel_device };

struct Case {
  std::string_view name;
  std::string_view what;  // one sentence
  Scope scope = Scope::device;
  bool gate = false;  // where it fails, the other cases of its scope are not run
  std::vector<Req> checks;
  void (*body)(Run& run) = nullptr;
};

std::vector<Case> description_cases();
std::vector<Case> session_cases();
std::vector<Case> pool_cases();
std::vector<Case> vector_cases();
std::vector<Case> differential_cases();
std::vector<Case> verdict_cases();
std::vector<Case> queue_cases();
std::vector<Case> thread_cases();
std::vector<Case> life_cases();
std::vector<Case> loss_cases();
std::vector<Case> key_cases();
std::vector<Case> manners_cases();
std::vector<Case> recipe_cases();

const std::vector<Case>& all_cases();

// The id of a device that no backend has.
inline constexpr std::uint64_t kNoDevice = 0xdeadbeefcafe0001;

// What most cases need: the job's device, opened, with a queue and packet memory.
struct Bench {
  explicit Bench(Run& run)
      : backend(run, run.entry(), run.job().options),
        device(run, backend, backend.device(run.job().device)),
        lane(device),
        memory(device) {}

  Backend backend;
  OpenedDevice device;
  Lane lane;
  PacketMemory memory;
};

// The correct packets, by the backend that was given as the oracle.
class Reference {
 public:
  explicit Reference(Run& run)
      : backend_(run, run.oracle(), "{}"),
        device_(run, backend_, backend_.devices().at(0)),
        lane_(device_) {}

  std::uint64_t session(const Sa& sa) { return device_.open(sa, ESPALIER_OUTBOUND); }
  void close(std::uint64_t session) { device_.close(session); }
  void seal(std::uint64_t session, const Sa& sa, Bytes& packet, std::uint32_t seq_hi);
  // With a session that is opened for it.
  Bytes sealed(const Sa& sa, Bytes packet, std::uint32_t seq_hi);

 private:
  Backend backend_;
  OpenedDevice device_;
  Lane lane_;
};

// "length 64, in place, ..."
std::string hex(std::span<const std::uint8_t> bytes, std::size_t most = 32);

}  // namespace espalier::conform
