// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include "adopt/held_copy.hpp"
#include "adopt/life.hpp"
#include "adopt/placing.hpp"
#include "adopt/recognise.hpp"
#include "xfrm/event_source.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace espalier::adopt {

// Gives the SAs that an IKE daemon puts into the kernel the places that the policy wants, and tells
// where they are. They stay the daemon's: when this ends, they go on as they are. [control]
class Adopter final : public SaControl {
 public:
  struct Options {
    std::function<std::string(const SaSpec&)> path;  // interface towards the peer, or ""
    IsLocal is_local;
    HeldDrivers::Steerer steering;
    HeldDrivers::Log log;
    std::function<Time()> clock = &std::chrono::steady_clock::now;
  };
  Adopter(Registry& registry, Placer& placer, xfrm::Transport& kernel, xfrm::EventSource& events,
          Options options);

  // Adopts the SAs that are there. What is right already is not touched.
  Result<void> start();
  // To be called when there is something to hear: SAs that were born are placed.
  void hear();
  // To be called every second. Gives what happened, having logged it.
  std::vector<GatewayEvent> tend();
  // To be called when an interface has changed: one that was set down has lost its SAs.
  void look_for_missing();

  // SAs come from the IKE daemon alone: these three are refused.
  Result<std::shared_ptr<const Decision>> add(const SaSpec& sa, SaKeys&& keys) override;
  Result<void> remove(std::string_view sa) override;
  Result<std::shared_ptr<const Decision>> rekey(std::string_view old_name, const SaSpec& sa,
                                                SaKeys&& keys,
                                                std::chrono::milliseconds grace) override;
  Result<void> check_overlap(const SaSpec&, std::string_view) const override { return {}; }

  // As read back when it was last tended.
  std::vector<GatewaySa> list(
      std::string_view after = {},
      std::size_t most = std::numeric_limits<std::size_t>::max()) const override;
  std::optional<GatewaySa> find(std::string_view sa) const override;
  std::size_t size() const noexcept override { return sas_.size(); }
  std::vector<SaTraffic> traffic() const override;
  std::uint64_t activity() const noexcept override;
  DropCounts drops() const override;

 private:
  struct Entry {
    SaSpec spec;
    xfrm::SaState state;
    Standing standing;
    SaLife life;
    int missed = 0;                  // readings of all SAs that it was not among
    std::optional<HeldCopy> held{};  // of one that a device has
  };
  using Sas = std::map<std::string, Entry, std::less<>>;

  void take(const Ear::Word& word);
  void meet(const xfrm::Message& told, std::optional<std::uint64_t> born);
  void adopt(Sight sight);
  void read_again(Entry& entry);
  void tell(const Entry& entry);
  void forget(const xfrm::SaId& id);
  void drop(Sas::iterator entry);
  Result<std::vector<xfrm::Message>> read_all();
  void compare(const std::vector<xfrm::Message>& all);
  void refresh(Entry& entry, const xfrm::Message& told, const xfrm::SaState& state);
  void believe_missing();
  void put_back(Sas::iterator entry);
  void flushed();
  void see_to(Entry& entry);
  void ask(Entry& entry);
  void pass_over(const xfrm::SaId& id, const std::string& why);
  GatewaySa describe(const Entry& entry) const;

  Placer& placer_;
  xfrm::Transport& kernel_;
  Options options_;
  Ear ear_;
  HeldDrivers drivers_;
  Placing placing_;
  Sas sas_;
  std::map<xfrm::SaId, std::string> names_;
  std::map<xfrm::SaId, int> passed_over_;  // that are no SA for us, with the reading that had them
  AskRate rate_;
  int reading_ = 0;
  Time read_at_{};  // when the kernel was asked for it
  std::vector<GatewayEvent> noticed_;
};

}  // namespace espalier::adopt
