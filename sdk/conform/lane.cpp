// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/mman.h>
#include <conform/lane.hpp>
#include <load/status.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace espalier::conform {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kCanary = 64;
constexpr std::uint8_t kCanaryByte = 0xa5;
constexpr std::size_t kRemembered = 2048;
constexpr std::uint32_t kBurst = 64;
constexpr std::uint32_t kPolls[] = {1, kBurst, 2, 7, kBurst, 16};  // in turn
constexpr std::size_t kGuard = 1024;  // entries behind what poll() may fill
constexpr auto kPatience = std::chrono::seconds(5);

}  // namespace

PacketMemory::PacketMemory(OpenedDevice& device, std::size_t bytes)
    : device_(device), bytes_(bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw KitError("no packet memory");
  memory_ = static_cast<std::uint8_t*>(memory);
  if (!device.info().needs_dma) return;
  load::Words words;
  const auto status =
      device.table().mem_attach(device.handle(), memory_, bytes_, &iova_, words.message());
  if (status != ESPALIER_OK)
    device.run().stop(Req::attach,
                      fmt::format("{} bytes of packet memory are not attached: {} ({})", bytes_,
                                  words.text(), status_name(status)));
  attached_ = true;
}

PacketMemory::~PacketMemory() {
  if (attached_) device_.table().mem_detach(device_.handle(), memory_, bytes_);
  munmap(memory_, bytes_);
}

Spot PacketMemory::take(std::uint32_t size, std::uint32_t offset) {
  const std::size_t start = (used_ + kCanary + 63) / 64 * 64 + offset % 64;
  const std::size_t end = start + size + kCanary;
  if (end > bytes_) throw KitError("a case takes more packet memory than there is");
  std::memset(memory_ + start - kCanary, kCanaryByte, kCanary);
  std::memset(memory_ + start + size, kCanaryByte, kCanary);
  used_ = end;
  return {memory_ + start, size, attached_ ? iova_ + start : 0};
}

void PacketMemory::reset() noexcept { used_ = 0; }

bool PacketMemory::intact(const Spot& spot) const noexcept {
  static const auto canary = [] {
    std::array<std::uint8_t, kCanary> bytes;
    bytes.fill(kCanaryByte);
    return bytes;
  }();
  return std::memcmp(spot.data - kCanary, canary.data(), kCanary) == 0 &&
         std::memcmp(spot.data + spot.size, canary.data(), kCanary) == 0;
}

espalier_op make_op(std::uint64_t session, const Sa& sa, const Spot& source,
                    const Spot* destination, std::uint32_t seq_hi) {
  espalier_op op{};
  op.session = session;
  op.esp = source.data;
  op.iova = source.iova;
  if (destination != nullptr) {
    op.dst = destination->data;
    op.dst_iova = destination->iova;
  }
  op.length = source.size;
  op.icv_offset = source.size - sa.icv_bytes();
  op.seq_hi = seq_hi;
  op.status = ESPALIER_OP_PENDING;
  op.cookie = reinterpret_cast<std::uintptr_t>(source.data) ^ kCookie;
  return op;
}

Lane::Lane(OpenedDevice& device, Req broken) : device_(device) {
  load::Words words;
  const auto status = device.table().queue_open(device.handle(), &handle_, words.message());
  if (status != ESPALIER_OK || handle_ == nullptr)
    device.run().stop(
        broken, fmt::format("a queue does not open: {} ({})", words.text(), status_name(status)));
}

Lane::~Lane() {
  if (handle_ != nullptr) device_.table().queue_close(handle_);
}

void Lane::complete(std::span<espalier_op* const> ops) {
  if (!asynchronous()) {
    const auto n = static_cast<std::uint32_t>(ops.size());
    const auto status = device_.table().process(handle_, ops.data(), n);
    if (status != ESPALIER_OK)
      device_.run().stop(Req::status_set,
                         fmt::format("process() of {} packets answers {}", n, status_name(status)));
  } else {
    auto patience = Clock::now() + kPatience;
    for (auto rest = ops; !rest.empty() || !flying_.empty();) {
      const auto taken =
          rest.empty() ? 0 : submit(rest.first(std::min<std::size_t>(rest.size(), kBurst)));
      rest = rest.subspan(taken);
      const auto back = poll_in_turn();
      if (taken + back != 0) {
        patience = Clock::now() + kPatience;
      } else if (Clock::now() > patience) {
        if (flying_.empty())
          device_.run().stop(Req::full_queue, "a queue with nothing in it accepts no op for 5 s");
        device_.run().stop(
            Req::progress,
            fmt::format("{} accepted ops were not completed within 5 s", flying_.size()));
      } else {
        std::this_thread::yield();
      }
    }
    poll(kBurst);  // anything more would be once too often
  }
  for (const espalier_op* op : ops) {
    if (op->status <= ESPALIER_OP_LOST) continue;
    device_.run().stop(Req::status_set,
                       fmt::format("a completed op's status is {}", op_status_name(op->status)));
  }
}

std::uint16_t Lane::complete(espalier_op& op) {
  espalier_op* const one = &op;
  complete(std::span(&one, 1));
  return op.status;
}

std::uint32_t Lane::submit(std::span<espalier_op* const> ops) {
  const auto n = static_cast<std::uint32_t>(ops.size());
  const auto taken = device_.table().submit(handle_, ops.data(), n);
  if (taken > n)
    device_.run().stop(Req::partial, fmt::format("submit() of {} ops accepts {}", n, taken));
  flying_.insert(flying_.end(), ops.begin(), ops.begin() + taken);
  for (const espalier_op* op : ops.subspan(taken))
    if (op->status != ESPALIER_OP_PENDING)
      device_.run().stop(Req::partial, fmt::format("submit() accepts {} of {} ops, but changes "
                                                   "another's status to {}",
                                                   taken, n, op_status_name(op->status)));
  return taken;
}

std::uint32_t Lane::poll(std::uint32_t most) {
  back_.assign(most + kGuard, nullptr);
  const auto n = device_.table().poll(handle_, back_.data(), most);
  const auto beyond = [](const espalier_op* op) { return op != nullptr; };
  if (n > most)
    device_.run().stop(Req::foreign, fmt::format("poll() of at most {} ops gives {}", most, n));
  if (std::any_of(back_.begin() + most, back_.end(), beyond))
    device_.run().stop(Req::foreign,
                       fmt::format("poll() of at most {} ops gives {}, but writes more", most, n));
  given_ = n;
  for (espalier_op* const op : came_back()) take_back(op);
  return n;
}

std::uint32_t Lane::poll_in_turn() { return poll(kPolls[polls_++ % std::size(kPolls)]); }

void Lane::take_back(espalier_op* op) {
  const auto found = std::ranges::find(flying_, op);
  if (found == flying_.end()) {
    const bool before = std::ranges::find(landed_, op) != landed_.end();
    device_.run().stop(before ? Req::once : Req::foreign,
                       before ? "poll() gives an op for the second time"
                              : "poll() gives an op that this queue was never given");
  }
  if (op->status > ESPALIER_OP_LOST)
    device_.run().stop(Req::status_set, fmt::format("poll() gives an op whose status is {}",
                                                    op_status_name(op->status)));
  *found = flying_.back();
  flying_.pop_back();
  landed_.push_back(op);
  if (landed_.size() > kRemembered) landed_.pop_front();
}

void Lane::drain() {
  auto patience = Clock::now() + kPatience;
  while (!flying_.empty()) {
    if (poll_in_turn() != 0)
      patience = Clock::now() + kPatience;
    else if (Clock::now() > patience)
      device_.run().stop(Req::progress, fmt::format("{} accepted ops were not completed within 5 s",
                                                    flying_.size()));
    else
      std::this_thread::yield();
  }
}

}  // namespace espalier::conform
