// SPDX-License-Identifier: Apache-2.0
//
// A registry of fake backends, a placer over it, and a clock that a test moves.
#pragma once

#include <espalier/placer.hpp>

#include <fake_backend.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "unit/place/sample.hpp"

namespace espalier {

class PlacerFixture : public ::testing::Test {
 protected:
  PlacerFixture()
      : secrets_(SecretPool::create().value()), registry_(Registry::load({}, *secrets_).value()) {}

  // Registers the fakes in the order of preference and starts the placer.
  void start(std::vector<mock::FakeBackend> fakes, Policy policy = {}) {
    fakes_ = std::move(fakes);
    for (const auto& fake : fakes_) {
      const auto added = registry_->add_builtin(fake.name(), fake.entry(), fake.options());
      ASSERT_TRUE(added) << added.error().message;
      policy.backends.push_back(fake.name());
    }
    placer_ = std::make_unique<Placer>(*registry_, policy, [this] { return now_; });
  }

  // Places an SA and keeps its session; gives "backend/device", or the error's code.
  std::string place(const SaSpec& sa) {
    const auto home = homes_.find(sa.name);
    const bool moves = home != homes_.end();
    auto placed = placer_->place(sa, sample::keys(*secrets_),
                                 moves ? std::optional(home_of(home->second)) : std::nullopt);
    if (!placed) {
      last_error_ = placed.error().message;
      return to_string(placed.error().code);
    }
    last_decision_ = *placed->decision;
    const std::string where = placed->backend + "/" + placed->device;
    sessions_.insert_or_assign(sa.name, std::move(placed->session));
    if (moves) placer_->moved(sa, home_of(home->second));
    homes_.insert_or_assign(sa.name, Placed{sa, placed->backend, placed->device});
    return where;
  }
  std::string place(const std::string& name, Direction direction = Direction::outbound) {
    return place(sample::sa(name, direction));
  }
  // What the caller does when an SA goes: closes its session, then says so.
  void remove(const std::string& name) {
    sessions_.erase(name);
    const auto home = homes_.find(name);
    placer_->release(home->second.sa, home_of(home->second));
    homes_.erase(home);
  }
  // The SA's device gave a session, and then not what else it needs.
  void refuse(const std::string& name, const Error& error) {
    const auto home = homes_.find(name);
    placer_->refused(home->second.sa, home_of(home->second), error);
    homes_.erase(home);
  }

  const Device& device(const std::string& backend, const std::string& name = "card0") {
    inventory_ = placer_->inventory();
    for (const auto& b : inventory_.backends) {
      for (const auto& d : b.devices) {
        if (b.name == backend && d.name == name) return d;
      }
    }
    ADD_FAILURE() << "no device " << backend << "/" << name;
    static const Device kNone;
    return kNone;
  }
  std::uint64_t load(const std::string& backend) {
    for (const auto& l : placer_->inventory().load) {
      if (l.backend == backend) return l.sas;
    }
    return 0;
  }
  std::uint64_t asks(std::size_t fake) const {
    return fakes_[fake].control().counters().sessions_asked;
  }

  struct Placed {
    SaSpec sa;
    std::string backend;
    std::string device;
  };
  static Home home_of(const Placed& placed) { return {placed.backend, placed.device}; }

  std::unique_ptr<SecretPool> secrets_;
  std::vector<mock::FakeBackend> fakes_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Placer> placer_;
  std::map<std::string, Session> sessions_;
  std::map<std::string, Placed> homes_;  // by the SA's name
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
  std::string last_error_;
  Decision last_decision_;
  Inventory inventory_;
};

}  // namespace espalier
