// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>
#include <espalier/engine.hpp>
#include <espalier/placer.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// The kernel's crypto driver that an SA was steered to. Which one an SA has the kernel does not
// tell: it is inferred, or it is `unknown`, with a sentence on why. Without a name: the kernel's
// choice.
struct KernelDriver {
  std::string name;
  std::string unknown;
};

// An SA as people see it: what it is, where it was placed and why, what it carried. Of one whose
// device was lost and that no other takes: backend "none", and the decision as it would be now. A
// decision is shared by like SAs, so that it names none.
struct GatewaySa {
  SaSpec spec;
  std::shared_ptr<const Decision> decision;
  SaStatus status;
  KernelDriver driver{};  // in the kernel's dataplane
  std::string note{};     // of an adopted SA: why it is not where the policy wants it, a clause
};

// What an SA has carried. Name and spec are valid until an SA comes or goes; the name in the spec
// is the engine's.
struct SaTraffic {
  std::string_view name;
  const SaSpec* spec = nullptr;
  SaCounters counters;
};

// What happened in a running gateway.
struct GatewayEvent {
  enum class Kind : std::uint8_t {
    soft_lifetime,   // it is time to rekey
    hard_lifetime,   // the SA carries nothing more
    sequence_ended,  // nor this one: its last number is used
    moved,           // to another device
    homeless,        // its device is lost and no other takes it
    peer_moved,      // its peer's NAT has moved it
    replaced,        // the SA that it replaced is gone
    device_lost,
    device_back,  // and is given SAs again
    path_mtu,
    tun_gone,          // nothing can be carried any more
    refused,           // by a device that the policy prefers to the one that took it
    peer_silent,       // it is sent packets, and none comes from it
    peer_heard,        // again
    peer_unknown_spi,  // it sends packets that are of no SA here
  };
  Kind kind = Kind::device_lost;
  std::string sa{};  // "": it is not of one SA
  std::string text;  // a sentence
};

std::string_view to_string(GatewayEvent::Kind kind) noexcept;  // "sa.soft_lifetime": stable
int log_level(GatewayEvent::Kind kind) noexcept;  // of the ABI: good news is no warning

// What the system needs around an SA, such as routes and kernel rules. [control]
struct SaSurroundings {
  std::function<Result<void>(const SaSpec&)> bring;  // before its first packet; may refuse it
  std::function<void(const SaSpec&)> take;           // after its last one
};

// Everything that the control socket can ask for, of a gateway of either dataplane. [control]
class SaControl {
 public:
  virtual ~SaControl() = default;

  // Keys are kept (in secret memory) as long as the SA lives, for moves. Here and in rekey() they
  // stay the caller's where it fails.
  virtual Result<std::shared_ptr<const Decision>> add(const SaSpec& sa, SaKeys&& keys) = 0;
  virtual Result<void> remove(std::string_view sa) = 0;
  // Replaces SA `old_name` by a new one with new SPI and keys: added first, then the old removed
  // (an inbound one after `grace`, since packets of the peer may still be on their way).
  virtual Result<std::shared_ptr<const Decision>> rekey(std::string_view old_name, const SaSpec& sa,
                                                        SaKeys&& keys,
                                                        std::chrono::milliseconds grace) = 0;

  // That the SA takes no traffic of a live one to another peer, which has the same selector;
  // `replaced` is the SA that it comes in the place of, or "". The newest of two gets all packets,
  // so that whoever adds SAs for others asks this first.
  virtual Result<void> check_overlap(const SaSpec& sa, std::string_view replaced) const = 0;

  // The SAs by name, behind that of `after`, and no more than `most`: all of many thousands take a
  // while, so that a loop that has other work, too, asks for them in parts.
  virtual std::vector<GatewaySa> list(
      std::string_view after = {},
      std::size_t most = std::numeric_limits<std::size_t>::max()) const = 0;
  virtual std::optional<GatewaySa> find(std::string_view sa) const = 0;
  virtual std::size_t size() const noexcept = 0;
  // By name, and cheap: for those who look at all SAs again and again.
  virtual std::vector<SaTraffic> traffic() const = 0;
  // Another number than before: there is something to look at.
  virtual std::uint64_t activity() const noexcept = 0;
  virtual DropCounts drops() const = 0;
};

// The gateway of the userspace dataplane: places SAs, runs them in the engine, moves them when a
// device is lost. [control]
class Gateway final : public SaControl {
 public:
  Gateway(Registry& registry, Placer& placer, Engine& engine,
          std::function<void(int level, std::string_view text)> log);
  ~Gateway() override;

  // For the SAs that are added from now on.
  void surround(SaSurroundings surroundings);

  Result<std::shared_ptr<const Decision>> add(const SaSpec& sa, SaKeys&& keys) override;
  Result<void> remove(std::string_view sa) override;
  Result<std::shared_ptr<const Decision>> rekey(std::string_view old_name, const SaSpec& sa,
                                                SaKeys&& keys,
                                                std::chrono::milliseconds grace) override;
  Result<void> check_overlap(const SaSpec& sa, std::string_view replaced) const override;
  std::vector<GatewaySa> list(
      std::string_view after = {},
      std::size_t most = std::numeric_limits<std::size_t>::max()) const override;
  std::optional<GatewaySa> find(std::string_view sa) const override;
  std::size_t size() const noexcept override;
  std::vector<SaTraffic> traffic() const override;
  std::uint64_t activity() const noexcept override;  // see Engine
  // For an outbound SA; see Engine.
  Result<void> send_dummy(std::string_view sa, std::uint32_t bytes);
  Result<void> send_keepalive(std::string_view sa);
  DropCounts drops() const override;
  Inventory inventory() const;

  // To be called when engine.event_descriptor() is readable, and every second: moves the SAs of
  // lost devices, removes what its grace has ended for. Gives what happened, having logged it.
  std::vector<GatewayEvent> tend();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier
