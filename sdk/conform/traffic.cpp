// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/traffic.hpp>

#include <algorithm>
#include <utility>

namespace espalier::conform {

Traffic::Traffic(Run& run, OpenedDevice& device, PacketMemory& memory)
    : device_(device), memory_(memory), reference_(run) {
  for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND}) {
    for (Sa& sa : device.sas(run.random(), "")) {
      if (!device.does(*sa.info, direction, sa.esn)) continue;
      sa_ = std::move(sa);
      inbound_ = direction == ESPALIER_INBOUND;
      session_ = device.open(sa_, direction);
      return;
    }
  }
  throw KitError("no transform to test queues with");
}

Traffic::~Traffic() { device_.close(session_); }

espalier_op* Traffic::next(std::uint32_t payload) {
  const Sample& sample = sample_of(std::min(payload, device_.longest_payload(sa_)));
  const Spot spot = memory_.take(static_cast<std::uint32_t>(sample.given.size()));
  std::ranges::copy(sample.given, spot.data);
  ops_.push_back(make_op(session_, sa_, spot));
  return &ops_.back();
}

std::vector<espalier_op*> Traffic::some(std::size_t n) {
  std::vector<espalier_op*> all;
  while (all.size() < n) all.push_back(next());
  return all;
}

void Traffic::try_alone(Lane& lane) {
  next();
  lane.complete(ops_.back());
  compares_ = what_is_wrong().empty();
  forget();
}

std::string Traffic::what_is_wrong(std::size_t pending) const {
  for (std::size_t i = 0; i + pending < ops_.size(); ++i) {
    const espalier_op& op = ops_[i];
    if (op.status != ESPALIER_OP_DONE)
      return fmt::format("packet {} is answered {}", i, op_status_name(op.status));
    if (!is_right(op))
      return fmt::format("packet {} is answered DONE, but was not {}", i,
                         inbound_ ? "opened" : "sealed");
  }
  return {};
}

bool Traffic::is_right(const espalier_op& op) const {
  const Bytes& wanted = samples_.at(op.length).wanted;
  return !compares_ || std::equal(wanted.begin(), wanted.end(), op.esp);
}

void Traffic::forget() {
  ops_.clear();
  memory_.reset();
}

const Traffic::Sample& Traffic::sample_of(std::uint32_t payload) {
  const std::uint32_t length = sa_.length(payload / sa_.block_bytes() * sa_.block_bytes());
  const auto found = samples_.find(length);
  if (found != samples_.end()) return found->second;
  const Bytes clear(length, 0x22);
  Bytes sealed = reference_.sealed(sa_, clear, 0);
  const Bytes opened(clear.begin(), clear.end() - sa_.icv_bytes());
  return samples_[length] =
             inbound_ ? Sample{std::move(sealed), opened} : Sample{clear, std::move(sealed)};
}

}  // namespace espalier::conform
