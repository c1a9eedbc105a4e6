// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/traffic.hpp>

#include <algorithm>
#include <ranges>
#include <utility>

namespace espalier::conform {

Traffic::Traffic(Run& run, OpenedDevice& device, PacketMemory& memory, std::size_t sessions)
    : device_(device), memory_(memory), reference_(run), random_(run.random()()) {
  open(sessions);
  if (flows_.empty()) throw KitError("no transform to test queues with");
  turns_ = flows_.size();
}

Traffic::~Traffic() {
  for (const Flow& flow : std::views::reverse(flows_)) device_.close(flow.session);
}

// Outbound and inbound in turn, each SA once a direction.
void Traffic::open(std::size_t sessions) {
  std::vector<Sa> sas = device_.sas(random_, "");
  if (sessions > 1) std::ranges::shuffle(sas, random_);
  for (const bool swapped : {false, true})
    for (std::size_t i = 0; i < sas.size(); ++i) {
      if (flows_.size() == sessions) return;
      const bool inbound = (sessions > 1 && i % 2 == 1) != swapped;
      const auto direction = inbound ? ESPALIER_INBOUND : ESPALIER_OUTBOUND;
      if (!device_.does(*sas[i].info, direction, sas[i].esn)) continue;
      if (!add(random_sa(random_, *sas[i].info, sas[i].esn), direction)) return;
    }
}

// The first has to open; how many more there is room for is other cases' to tell.
bool Traffic::add(Sa sa, std::uint32_t direction) {
  flows_.push_back({std::move(sa), direction, 0, 0});
  Flow& flow = flows_.back();
  if (flows_.size() == 1) {
    flow.session = device_.open(flow.sa, direction);
  } else if (const auto answer = device_.try_open(flow.sa, direction);
             answer.status == ESPALIER_OK) {
    flow.session = answer.session;
  } else {
    flows_.pop_back();
    return false;
  }
  flow.reference = reference_.session(flow.sa);
  return true;
}

espalier_op* Traffic::next(std::uint32_t payload) {
  const Flow& flow = flows_[packets_.size() % turns_];
  const Sa& sa = flow.sa;
  payload = std::min(payload, device_.longest_payload(sa, flow.direction));
  const auto length = sa.length(payload / sa.block_bytes() * sa.block_bytes());
  Bytes clear = random_bytes(random_, length);
  Bytes sealed = clear;
  reference_.seal(flow.reference, sa, sealed, 0);
  if (flow.direction == ESPALIER_INBOUND) {
    std::swap(clear, sealed);
    sealed.resize(length - sa.icv_bytes());
  }
  const Spot spot = memory_.take(length);
  std::ranges::copy(clear, spot.data);
  packets_.push_back({make_op(flow.session, sa, spot), &flow, std::move(sealed)});
  return &packets_.back();
}

std::vector<espalier_op*> Traffic::some(std::size_t n) {
  std::vector<espalier_op*> all;
  while (all.size() < n) all.push_back(next());
  return all;
}

void Traffic::try_alone(Lane& lane) {
  forget();
  for (Flow& flow : flows_) {
    espalier_op* const op = next();
    lane.complete(*op);
    flow.compares = op->status == ESPALIER_OP_DONE && is_right(*op);
  }
  forget();
}

std::string Traffic::what_is_wrong(std::size_t pending) const {
  for (std::size_t i = 0; i + pending < packets_.size(); ++i) {
    const Packet& packet = packets_[i];
    if (packet.status != ESPALIER_OP_DONE)
      return fmt::format("packet {} is answered {}", i, op_status_name(packet.status));
    if (!is_right(packet))
      return fmt::format("packet {} is answered DONE, but was not {}", i,
                         packet.flow->direction == ESPALIER_INBOUND ? "opened" : "sealed");
  }
  return {};
}

bool Traffic::is_right(const espalier_op& op) const {
  const auto& packet = static_cast<const Packet&>(op);
  return !packet.flow->compares ||
         std::equal(packet.wanted.begin(), packet.wanted.end(), packet.esp);
}

void Traffic::forget() {
  packets_.clear();
  memory_.reset();
}

}  // namespace espalier::conform
