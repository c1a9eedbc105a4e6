// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include "gateway/recipe_runner.hpp"
#include "gateway/used_keys.hpp"
#include "xfrm/policy_bundles.hpp"
#include "xfrm/transport.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace espalier {

// The gateway of the kernel's dataplane: places SAs, has their recipes carried out in the kernel,
// and tells what it reads back there. What it has put into the kernel it takes out again when
// destroyed. It keeps no keys. [control]
class KernelGateway final : public SaControl {
 public:
  struct Options {
    std::uint32_t first_reqid = 0;  // see xfrm::PolicyBundles
    // The interface by which packets leave for a peer; "" where that is not known.
    std::function<std::string(const SaSpec&)> path = [](const SaSpec&) { return std::string(); };
    RecipeRunner::Log log{};
    RecipeRunner::Steerer steering = [] {
      return Result<steer::Steering*>(
          fail(ErrorCode::unsupported, "this gateway steers no SA to a crypto driver"));
    };
  };
  KernelGateway(Registry& registry, Placer& placer, xfrm::Transport& kernel, Options options);
  ~KernelGateway() override;

  // Takes over what an earlier gateway with this end of its SAs has left in the kernel: see
  // xfrm::PolicyBundles. To be called before the first add(), and settle() after the last one of
  // the start.
  Result<void> take_over(const IpAddress& own_end);
  Result<void> settle() { return policies_.settle(); }

  // Beyond its life the policies stay, so that what they protect passes through an SA or not at
  // all.
  void keep_policies() noexcept { keeps_policies_ = true; }

  Result<std::shared_ptr<const Decision>> add(const SaSpec& sa, SaKeys&& keys) override;
  Result<void> remove(std::string_view sa) override;
  Result<std::shared_ptr<const Decision>> rekey(std::string_view old_name, const SaSpec& sa,
                                                SaKeys&& keys,
                                                std::chrono::milliseconds grace) override;
  Result<void> check_overlap(const SaSpec& sa, std::string_view replaced) const override;
  // These two read the SAs that they give back.
  std::vector<GatewaySa> list(
      std::string_view after = {},
      std::size_t most = std::numeric_limits<std::size_t>::max()) const override;
  std::optional<GatewaySa> find(std::string_view sa) const override;
  std::size_t size() const noexcept override { return sas_.size(); }
  std::vector<SaTraffic> traffic() const override;  // as read back when it was last tended
  std::uint64_t activity() const noexcept override;
  DropCounts drops() const override;  // the same; what the kernel counts for each SA

  // What the kernel told of SAs, whoever's: limits of lifetimes become events of the next tend().
  void note(std::span<const xfrm::SaNews> news);

  // To be called every second: reads all SAs back, removes what its grace has ended for. Gives what
  // happened, having logged it.
  std::vector<GatewayEvent> tend();

 private:
  struct Entry {
    SaSpec spec;
    std::shared_ptr<const Decision> decision;
    xfrm::SaState state;  // as last read back
    KernelDriver driver{};
    bool gone = false;  // the kernel has it no more
  };
  using Sas = std::map<std::string, std::unique_ptr<Entry>, std::less<>>;
  struct Retiring {
    std::unique_ptr<Entry> entry;
    std::chrono::steady_clock::time_point until;
  };

  Result<std::unique_ptr<Entry>> enter(const SaSpec& sa, const SaKeys& keys);
  Result<void> leave(const Entry& entry);
  void expired(Entry& entry, bool hard);
  void gone(Entry& entry);
  void refresh(Entry& entry, const xfrm::SaState* state, std::vector<GatewayEvent>& done);
  void end_graces(std::vector<GatewayEvent>& done);
  void read_back(const std::vector<Entry*>& entries) const;
  static GatewaySa describe(const Entry& entry);

  Registry& registry_;
  Placer& placer_;
  xfrm::Transport& kernel_;
  Options options_;
  RecipeRunner recipes_;
  xfrm::PolicyBundles policies_;
  Sas sas_;
  std::vector<Retiring> retiring_;
  UsedKeys used_keys_;
  std::vector<GatewayEvent> noticed_;  // since the last tending
  bool keeps_policies_ = false;
};

}  // namespace espalier
